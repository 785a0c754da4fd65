/** What files of earlier schemas hold after they were brought forward. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { migrate } from '../../../registry/store/sqlite/migrations.ts'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-migrations-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

/** A file of the schema, with what `fill` puts there. */
function writeSchema(schema: number, fill: (database: DatabaseSync) => void): string {
  const file = join(folder, 'registry.db')
  const database = new (class extends DatabaseSync {
    override exec(text: string) {
      if (text.includes(`user_version = ${schema + 1};`)) throw new Error('far enough')
      super.exec(text)
    }
  })(file, { enableForeignKeyConstraints: false })
  expect(() => migrate(database)).toThrow('far enough')
  fill(database)
  database.close()
  return file
}

describe('days that were folded when their sources were not kept', () => {
  const [wasm, webgpu] = (['wasm', 'webgpu'] as const).map((provider) => ({
    variant: 'fp32',
    provider,
    device: 'desktop',
  }))
  const counted = { deployment: 'blue', version: 1, spec: 'sha256:5' }
  const facts = { facts: { senders: 2, silentServers: 0, unitHosts: 0 }, rows: [{ at: 1_763_596_800_000, rows: 5 }] }

  function writeDay(database: DatabaseSync, day: string, sources: object[], dropped: 0 | 1): void {
    database.prepare("INSERT INTO counted_days VALUES ('e', ?, 3, 3, ?)").run(day, dropped)
    database.prepare("INSERT INTO day_facts VALUES ('e', 'blue', 1, 'sha256:5', ?, ?)").run(day, JSON.stringify(facts))
    const sum = database.prepare(
      "INSERT INTO day_sums VALUES ('e', 'blue', 1, 'sha256:5', ?, ?, ?, 'counts', ?, ?, '[]', NULL)",
    )
    for (const source of [{ variant: '', provider: '', device: '' }, ...sources]) {
      for (const feature of ['a', 'b']) sum.run(...Object.values(source), feature, day)
    }
  }

  test('have those of their sums, and are folded again where their reports are there', async () => {
    const file = writeSchema(22, (database) => {
      writeDay(database, '2026-11-20', [webgpu ?? {}, wasm ?? {}], 1)
      writeDay(database, '2026-11-21', [], 1)
      writeDay(database, '2026-11-22', [], 0)
      writeDay(database, '2026-11-23', [wasm ?? {}, webgpu ?? {}], 0)
    })
    const store = openSqliteStore(file)
    expect(await store.days.known('e', counted, '2026-11-20', '2026-11-23')).toEqual([
      { day: '2026-11-20', sources: [wasm, webgpu], ...facts },
      { day: '2026-11-21', sources: [], ...facts },
    ])
    expect(await store.days.open('2026-11-24')).toEqual([
      { endpoint: 'e', day: '2026-11-22', changes: 3 },
      { endpoint: 'e', day: '2026-11-23', changes: 3 },
    ])
    await store.close()
  })
})
