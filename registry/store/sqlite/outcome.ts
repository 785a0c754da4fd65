/**
 * What a unit told in one minute, put together: of each name the earliest value. The text decides between two at one moment,
 * so that the order of arrival never does.
 */
import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import type { Tables } from './tables.ts'

type Told = TelemetryReport['outcomes'][number]

/** Names that one unit may tell of in one minute; whoever tells of more is no person, and the earliest stay. */
const mostNames = 32

export async function writeOutcome(db: Kysely<Tables>, endpoint: string, { unit, at, values }: Told): Promise<void> {
  const window = at.slice(0, 16)
  const held = await db
    .selectFrom('outcomes')
    .select(['at', 'body', 'times'])
    .where('endpoint', '=', endpoint)
    .where('unit', '=', unit)
    .where('window', '=', window)
    .executeTakeFirst()
  const merged = merge([...(held === undefined ? [] : entriesOf(held)), ...entriesAt(values, at)])
  const body = JSON.stringify(Object.fromEntries(merged.map(({ name, value }) => [name, value])))
  const [first = at] = merged.map((each) => each.at).sort()
  const isOneMoment = merged.every((each) => each.at === first)
  const times = isOneMoment ? null : JSON.stringify(Object.fromEntries(merged.map((each) => [each.name, each.at])))
  if (held?.body === body && held.at === first && held.times === times) return
  await db
    .insertInto('outcomes')
    .values({ endpoint, unit, window, at: first, body, times })
    .onConflict((conflict) => conflict.columns(['endpoint', 'unit', 'window']).doUpdateSet({ at: first, body, times }))
    .execute()
}

/** When a unit told of a name, which others may have preceded in its minute. */
export function toldAt(outcome: string, name: RawBuilder<unknown>): RawBuilder<string> {
  const [times, at] = [sql.ref(`${outcome}.times`), sql.ref(`${outcome}.at`)]
  return sql`coalesce((SELECT m.value FROM json_each(${times}) m WHERE m.key = ${name}), ${at})`
}

interface Entry {
  name: string
  value: Told['values'][string]
  at: string
}

/** The same whatever the order: the least of each name, and of them the least, in the order of names. */
function merge(entries: readonly Entry[]): Entry[] {
  const least = new Map<string, Entry>()
  for (const entry of entries.toSorted(byTime)) if (!least.has(entry.name)) least.set(entry.name, entry)
  return [...least.values()].slice(0, mostNames).sort((a, b) => (a.name < b.name ? -1 : 1))
}

function byTime(a: Entry, b: Entry): number {
  const [left, right] = [a, b].map(({ at, name, value }) => `${at} ${name} ${JSON.stringify(value)}`)
  return (left ?? '') < (right ?? '') ? -1 : left === right ? 0 : 1
}

function entriesOf({ at, body, times }: { at: string; body: string; times: string | null }): Entry[] {
  const moments = times === null ? {} : (JSON.parse(times) as Record<string, string>)
  return Object.entries(JSON.parse(body) as Told['values']).map(([name, value]) => ({
    name,
    value,
    at: (Object.hasOwn(moments, name) ? moments[name] : undefined) ?? at,
  }))
}

function entriesAt(values: Told['values'], at: string): Entry[] {
  return Object.entries(values).map(([name, value]) => ({ name, value, at }))
}
