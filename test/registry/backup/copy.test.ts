/** Backup and restore: a copy of a data folder opens elsewhere as the same registry. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { copyData } from '../../../registry/backup/copy.ts'
import { openRegistry } from '../../../registry/registry.ts'
import { bytesOf, digestOf, type Fixture, linearFiles, openServing, placeOf, pushBlob, pushModel } from '../fixture.ts'

let folder: string
let fixture: Fixture

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-backup-'))
  fixture = await openServing()
})

afterEach(async () => {
  await fixture[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** What a registry over a folder answers to GET. */
async function withRegistry<T>(
  dataDir: string,
  use: (get: (path: string) => Promise<Response>, key: string) => Promise<T>,
) {
  const registry = await openRegistry({ dataDir })
  try {
    return await use(async (path) => await registry.app.request(path), registry.key)
  } finally {
    await registry.close()
  }
}

describe('a backup', () => {
  test('F-33: taken while models are pushed, it opens elsewhere with every blob of every version', async () => {
    const into = join(folder, 'backup')
    const pushing = (async () => {
      for (let i = 3; i < 40; i++) await pushModel(fixture, 'a', String(i), linearFiles([i, i]))
    })()
    const copied = await copyData(fixture.dataDir, into)
    await pushing
    expect(copied).toMatchObject({ damaged: [] })
    await withRegistry(into, async (get, key) => {
      expect(key).toBe(fixture.registry.key)
      const { items } = (await (await get('/api/v1/models/a/versions')).json()) as { items: { version: number }[] }
      expect(items.length).toBeGreaterThanOrEqual(2)
      for (const { version } of items) {
        const { layers } = (await (await get(`/v2/a/manifests/${version}`)).json()) as { layers: { digest: string }[] }
        for (const { digest } of layers) {
          const bytes = new Uint8Array(await (await get(`/v2/a/blobs/${digest}`)).arrayBuffer())
          expect(digestOf(bytes)).toBe(digest)
        }
      }
    })
  })

  test('goes back into an empty folder, whose plans move forward from where they were', async () => {
    const before = (await (await fixture.request('/api/v1/endpoints/e')).json()) as { revision: number }
    await copyData(fixture.dataDir, join(folder, 'backup'))
    await copyData(join(folder, 'backup'), join(folder, 'restored'))
    const registry = await openRegistry({ dataDir: join(folder, 'restored'), now: () => 1 })
    const put = await registry.app.request('/api/v1/endpoints/e/deployments/red', {
      method: 'PUT',
      body: JSON.stringify({ model: 'a', version: 1 }),
      headers: { 'content-type': 'application/json' },
    })
    expect(put.status).toBe(201)
    const after = (await (await registry.app.request('/api/v1/endpoints/e')).json()) as { revision: number }
    expect(after.revision).toBeGreaterThan(before.revision)
    await registry.close()
  })

  test('names the blobs whose bytes are damaged, and copies the others', async () => {
    const bytes = bytesOf('soon damaged')
    await pushBlob(fixture, 'a', bytes)
    truncateSync(placeOf(fixture, digestOf(bytes)), 3)
    const copied = await copyData(fixture.dataDir, join(folder, 'backup'))
    expect(copied.damaged).toEqual([digestOf(bytes)])
    expect(copied.blobs).toBeGreaterThan(3)
  })

  test('is refused where a registry stands already', async () => {
    await expect(copyData(fixture.dataDir, fixture.dataDir)).rejects.toMatchObject({ code: 'REFUSED_TO_START' })
  })

  test('is refused where there is no registry', async () => {
    await expect(copyData(folder, join(folder, 'backup'))).rejects.toMatchObject({ code: 'REFUSED_TO_START' })
  })

  test('F-11: of a database with a damaged page is refused, and leaves nothing that looks whole', async () => {
    const from = join(folder, 'from')
    await copyData(fixture.dataDir, from)
    writeFileSync(join(from, 'registry.db'), new Uint8Array(8192).fill(7), { flag: 'r+' })
    const into = join(folder, 'into')
    await expect(copyData(from, into)).rejects.toMatchObject({ code: 'REFUSED_TO_START' })
    expect((await readdir(into)).filter((name) => name.startsWith('registry.db'))).toEqual([])
  })
})
