import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { openFolderBlobs } from '../../registry/blobs/folder.ts'
import { openSqliteStore } from '../../registry/store/sqlite/open.ts'
import { openUpkeep } from '../../registry/upkeep.ts'
import { limits } from '../../runtime/limits.ts'

test('what grows old while the registry runs goes within the hour, and nothing after it was closed', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-upkeep-'))
  const store = openSqliteStore(join(folder, 'registry.db'))
  try {
    let at = Date.parse('2026-11-24T10:00:00Z')
    const upload = { id: 'u', repository: 'a' }
    const open = () => store.repositories.openUpload(upload, new Date(at).toISOString(), 1)
    const logged: unknown[] = []
    const upkeep = await openUpkeep({
      store,
      blobs: await openFolderBlobs(folder),
      now: () => at,
      log: (entry) => logged.push(entry),
    })
    expect(vi.getTimerCount()).toBe(1)
    await open()
    at += limits.uploadSessionMs + 1
    vi.advanceTimersByTime(3600_000)
    await upkeep.close()
    expect(await store.repositories.upload(upload)).toBeUndefined()
    expect(vi.getTimerCount()).toBe(0)
    expect(logged).toEqual([])
  } finally {
    vi.useRealTimers()
    await store.close()
    await rm(folder, { recursive: true })
  }
})
