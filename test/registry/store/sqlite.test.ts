import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import type { Store } from '../../../registry/store/store.ts'
import { digestOf } from '../fixture.ts'
import { endpointsContract } from './endpoints.contract.ts'
import { eventsContract } from './events.contract.ts'
import { experimentsContract } from './experiments.contract.ts'
import type { OpenStore } from './fixture.ts'
import { looksContract } from './looks.contract.ts'
import { modelsContract } from './models.contract.ts'
import { outcomesContract } from './outcomes.contract.ts'
import { repositoriesContract } from './repositories.contract.ts'
import { rolloutsContract } from './rollouts.contract.ts'
import { description, image, index, rows1, schema1 } from './schema-1.ts'
import { telemetryContract } from './telemetry.contract.ts'
import { tokensContract } from './tokens.contract.ts'

async function openFile(): Promise<OpenStore & { file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-store-'))
  const file = join(folder, 'registry.db')
  let store = openSqliteStore(file)
  return {
    file,
    get store() {
      return store
    },
    async reopen() {
      await store.close()
      store = openSqliteStore(file)
      return store
    },
    async [Symbol.asyncDispose]() {
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
}

repositoriesContract('SQLite', openFile)
modelsContract('SQLite', openFile)
endpointsContract('SQLite', openFile)
telemetryContract('SQLite', openFile)
eventsContract('SQLite', openFile)
looksContract('SQLite', openFile)
outcomesContract('SQLite', openFile)
tokensContract('SQLite', openFile)
rolloutsContract('SQLite', openFile)
experimentsContract('SQLite', openFile)

test('a file that a newer Selvedge wrote is refused and left as it is', async () => {
  await using opened = await openFile()
  await opened.store.close()
  const database = new DatabaseSync(opened.file)
  database.exec('PRAGMA user_version = 1000')
  database.close()
  expect(() => openSqliteStore(opened.file)).toThrow(expect.objectContaining({ code: 'SCHEMA_NEWER' }))
  const after = new DatabaseSync(opened.file)
  expect(after.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1000 })
  after.close()
})

test('a file of the first schema is brought forward with all that it holds, and what its manifests need is known', async () => {
  await using opened = await openFile()
  await opened.store.close()
  await rm(opened.file)
  const before = new DatabaseSync(opened.file)
  before.exec(schema1)
  for (const [table, row] of rows1) {
    before.prepare(`INSERT INTO ${table} VALUES (${row.map(() => '?').join(', ')})`).run(...row)
  }
  before.close()
  const store = await opened.reopen()
  const holders: unknown[] = []
  const note = (found: unknown) => {
    holders.push(found)
    throw new Error('refused')
  }
  const removal = { now: '', heardSince: '', rule: note }
  const { repositories, models } = store
  expect(await models.version('m', 1)).toMatchObject({ manifest: digestOf(image), plan: { description } })
  expect(await repositories.manifest('m', { tag: 'champion' })).toMatchObject({ digest: digestOf(image) })
  expect(await repositories.upload({ id: 'u', repository: 'm' })).toEqual({ size: 0, parts: 0 })
  expect(await repositories.referrers('m', digestOf('subject'), { most: 9, mostBytes: 9 })).toEqual({
    referrers: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: digestOf(image),
        size: image.length,
        artifactType: 'application/x-config',
        annotations: { by: 'hand' },
      },
    ],
    more: false,
  })
  for (const digest of [digestOf('layer'), description]) {
    await expect(repositories.removeBlob('m', digest, removal)).rejects.toThrow('refused')
  }
  await expect(repositories.removeManifest('m', { digest: digestOf(image) }, removal)).rejects.toThrow('refused')
  expect(holders).toEqual([
    { deployments: [], aliases: [], hosts: [], manifests: [digestOf(image)] },
    { deployments: [], aliases: [], hosts: [], manifests: [digestOf(image)] },
    { deployments: [], aliases: [{ alias: 'champion', version: 1 }], hosts: [], manifests: [digestOf(index)] },
  ])
  const after = new DatabaseSync(opened.file)
  expect(after.prepare('PRAGMA foreign_key_check').all()).toEqual([])
  expect(after.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
  after.close()
})

test('F-11 a file with a page of garbage is refused, or answers as before where the page held nothing', async () => {
  await using opened = await openFile()
  const at = '2026-11-24T10:00:00.000Z'
  const blobs = Array.from({ length: 400 }, (_, i) => ({
    digest: digestOf(`blob ${i}`),
    size: i,
    chunks: [digestOf(`${i}`)],
  }))
  for (const blob of blobs) await opened.store.repositories.addBlob('m', blob, at)
  await opened.store.close()
  const sound = await readFile(opened.file)
  const pageBytes = 4096
  const pages = sound.length / pageBytes
  expect(pages).toBeGreaterThan(30)
  let refused = 0
  const read = async (store: Store) =>
    await Promise.all(blobs.map(({ digest }) => store.repositories.blob('m', digest)))
  const before = await read(await opened.reopen())
  await opened.store.close()
  await fc.assert(
    fc.asyncProperty(fc.nat(pages - 1), fc.uint8Array({ minLength: 64, maxLength: 64 }), async (page, garbage) => {
      const harmed = Uint8Array.from(sound)
      for (let i = 0; i < pageBytes; i++) harmed[page * pageBytes + i] = garbage[i % garbage.length] ?? 0
      await rm(`${opened.file}-wal`, { force: true })
      await writeFile(opened.file, harmed)
      let store: Store
      try {
        store = openSqliteStore(opened.file)
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: 'DATABASE_DAMAGED' })
        refused++
        return
      }
      try {
        expect(await read(store)).toEqual(before)
      } finally {
        await store.close()
      }
    }),
    { numRuns: 50, seed: 3 },
  )
  expect(refused).toBeGreaterThan(40)
})

test('the log stays near 4 MiB however much is written, and tidying empties it', async () => {
  await using opened = await openFile()
  const { store } = opened
  const log = async () => (await stat(`${opened.file}-wal`)).size
  const bytes = new Uint8Array(1024 * 1024)
  for (let i = 0; i < 12; i++) {
    const manifest = { digest: digestOf(String(i)), mediaType: 'application/x', bytes, blobs: [], children: [] }
    await store.repositories.addManifest('a', manifest, undefined, '2026-11-24T10:00:00.000Z')
  }
  // The log goes into the database at the first commit past the mark.
  expect(await log()).toBeLessThan(8 * 1024 * 1024)
  await store.tidy()
  expect(await log()).toBe(0)
})
