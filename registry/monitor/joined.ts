/** Outcomes of a span beside their predictions, read in pages from the newest on, so that nobody waits for long. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { Joined } from '../store/joined.ts'
import type { Store } from '../store/store.ts'
import type { Baselined } from './watched.ts'

export interface JoinedRows {
  /** The newest first, one a unit and UTC day: the last outcome that has the value. */
  rows: Joined[]
  /** Since when they are all; absent where none was left out. */
  since?: string
}

const pageRows = 2000
/** Outcomes of an endpoint that are looked at for one answer. */
const mostRows = 100_000

/** @param outcome - name of a value; outcomes without it are passed over */
export async function readJoined(
  { outcomes }: Store,
  endpoint: string,
  outcome: string,
  { deployment, spec }: Pick<Baselined, 'spec'> & { deployment: { name: string; version: number } },
  { from, to }: { from: string; to: string },
): Promise<JoinedRows> {
  const asked = { outcome, deployment: deployment.name, version: deployment.version, spec: spec.digest, from, to }
  const rows = new Map<string, Joined>()
  let before: { at: string; unit: string } | undefined
  for (let looked = 0; looked < mostRows; looked += pageRows) {
    const page = await outcomes.joined(endpoint, { ...asked, before, limit: pageRows })
    for (const row of page.rows) {
      const key = `${row.at.slice(0, 10)} ${row.unit}`
      if (Object.hasOwn(row.values, outcome) && !rows.has(key)) rows.set(key, row)
    }
    before = page.next
    if (before === undefined) return { rows: [...rows.values()] }
    await othersTurn()
  }
  return { rows: [...rows.values()], ...(before && { since: before.at }) }
}
