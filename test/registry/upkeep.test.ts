import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { openClaims } from '../../registry/blobs/claims.ts'
import { openFolderBlobs } from '../../registry/blobs/folder.ts'
import { openSqliteStore } from '../../registry/store/sqlite/open.ts'
import { openUpkeep } from '../../registry/upkeep.ts'
import { limits } from '../../runtime/limits.ts'

test('what grows old while the registry runs goes within the hour, and nothing after it was closed', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-upkeep-'))
  const store = openSqliteStore(join(folder, 'registry.db'))
  const blobs = await openFolderBlobs(join(folder, 'blobs'))
  try {
    let at = Date.parse('2026-11-24T10:00:00Z')
    const upload = { id: randomUUID(), repository: 'a' }
    const open = () => store.repositories.openUpload(upload, new Date(at).toISOString(), 1)
    const logged: unknown[] = []
    const log = (entry: unknown) => logged.push(entry)
    const upkeep = await openUpkeep({ store, blobs, claims: openClaims(), now: () => at, log })
    expect(vi.getTimerCount()).toBe(1)
    await open()
    await blobs.append(upload.id, 0, one(new Uint8Array(9)))
    at += limits.uploadSessionMs + 1
    vi.advanceTimersByTime(3600_000)
    await upkeep.close()
    expect(await store.repositories.upload(upload)).toBeUndefined()
    expect(await blobs.uploads()).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
    expect(logged).toEqual([])
  } finally {
    vi.useRealTimers()
    await store.close()
    await rm(folder, { recursive: true })
  }
})

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
