/** How SQLite goes about what a query asks: one that passes all units for each row stops the event loop for seconds. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test, vi } from 'vitest'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import type { Store } from '../../../registry/store/store.ts'
import { day } from './fixture.ts'

/** What SQLite says of each query that came. */
async function plansOf(ask: (store: Store) => Promise<unknown>): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-plans-'))
  const file = join(folder, 'registry.db')
  const store = openSqliteStore(file)
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare')
  try {
    await ask(store)
    const texts = prepare.mock.calls.map(([text]) => text)
    const database = new DatabaseSync(file)
    const plans = texts.flatMap((text) => database.prepare(`EXPLAIN QUERY PLAN ${text}`).all())
    database.close()
    return plans.map(({ detail }) => String(detail))
  } finally {
    prepare.mockRestore()
    await store.close()
    await rm(folder, { recursive: true })
  }
}

test('what was told of units is read by time, a page at a time, and by no exposures', async () => {
  const page = { names: ['ok'], since: day, limit: 9 }
  const plans = await plansOf((store) => store.rollouts.outcomes('e', page))
  expect(plans).toContain('SEARCH outcomes USING INDEX outcomes_by_time (endpoint=? AND at>?)')
  expect(plans.filter((plan) => /SCAN (?!o$|m|j)|TEMP|exposures/.test(plan))).toEqual([])
})
