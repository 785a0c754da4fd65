/** A start with newer code that is killed at any statement of its migrations. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import { rows1, schema1 } from '../store/schema-1.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-migration-'))
  file = join(folder, 'registry.db')
})

afterEach(() => rmSync(folder, { recursive: true }))

function writeFirstSchema(): void {
  rmSync(folder, { recursive: true })
  folder = mkdtempSync(join(tmpdir(), 'selvedge-migration-'))
  file = join(folder, 'registry.db')
  const database = new DatabaseSync(file)
  database.exec(schema1)
  for (const [table, row] of rows1) {
    database.prepare(`INSERT INTO ${table} VALUES (${row.map(() => '?').join(', ')})`).run(...row)
  }
  database.close()
}

function open(statements: number) {
  const entry = new URL('./migration-child.ts', import.meta.url).pathname
  return spawnSync(process.execPath, ['--no-warnings', entry, file, String(statements)], { encoding: 'utf8' })
}

test('F-05 comes up whole at the next start, whichever statement it was', { timeout: 300_000 }, async () => {
  writeFirstSchema()
  const all = Number(open(100_000).stdout)
  expect(all).toBeGreaterThan(20)
  // Every third of them here; they are alike.
  for (let statements = 1; statements < all; statements += 3) {
    writeFirstSchema()
    expect(open(statements).signal).toBe('SIGKILL')
    const store = openSqliteStore(file)
    expect(await store.models.version('m', 1)).toMatchObject({ version: 1 })
    await store.close()
    const database = new DatabaseSync(file)
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }])
    expect(database.prepare('PRAGMA foreign_key_check').all()).toEqual([])
    database.close()
  }
})
