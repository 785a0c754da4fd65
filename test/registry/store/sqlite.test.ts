import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import { type OpenStore, storeContract } from './store.contract.ts'

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

storeContract('SQLite', openFile)

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
