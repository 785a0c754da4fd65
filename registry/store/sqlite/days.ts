/** Folded days in SQLite: a row a feature and day, with its hours in one text. */
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { Changes } from '../changes.ts'
import {
  type Counted,
  type Days,
  type FoldedDay,
  type KnownDay,
  type OpenDay,
  type Source,
  type Span,
  together,
} from '../days.ts'
import type { Tables } from './tables.ts'

export function openDays(db: Kysely<Tables>, changes: Changes): Days {
  return {
    changes: changes.since,
    async open(before) {
      return await db
        .selectFrom('counted_days')
        .select(['endpoint', 'day', 'changes'])
        .where('day', '<', before)
        .whereRef('folded', '!=', 'changes')
        .where('dropped', '=', 0)
        .execute()
    },
    async openOf(endpoint, from, to) {
      const rows = await db
        .selectFrom('counted_days')
        .select('day')
        .where('endpoint', '=', endpoint)
        .where('day', '>=', from)
        .where('day', '<=', to)
        .whereRef('folded', '!=', 'changes')
        .execute()
      return rows.map(({ day }) => day)
    },
    async counted(endpoint, day) {
      return await selectCounted(db, endpoint, day)
    },
    async put(day, folded) {
      await db.transaction().execute(async (tx) => {
        await putDay(tx, day, folded)
      })
    },
    async known(endpoint, counted, from, to) {
      return await selectKnown(db, endpoint, counted, from, to)
    },
    async spans(endpoint, counted, { side, feature, source = together, by, days }) {
      const [first, last] = [days[0], days.at(-1)]
      if (first === undefined || last === undefined) return []
      const { deployment, version, spec } = counted
      const rows = await db
        .selectFrom('day_sums')
        .select(['day', by])
        .where('endpoint', '=', endpoint)
        .where('deployment', '=', deployment)
        .where('version', '=', version)
        .where('spec', '=', spec)
        .where('variant', '=', source.variant)
        .where('provider', '=', source.provider)
        .where('device', '=', source.device)
        .where('side', '=', side)
        .where('feature', '=', feature)
        .where('day', '>=', first)
        .where('day', '<=', last)
        .orderBy('day')
        .execute()
      const wanted = new Set(days)
      return rows.flatMap(({ day, ...sums }) => {
        if (!wanted.has(day)) return []
        const text = by === 'whole' ? `[${sums.whole}]` : sums.hours
        return JSON.parse(text ?? '[]').map(decodeSpan)
      })
    },
    async knownSince(endpoint) {
      const row = await db
        .selectFrom('endpoints')
        .select('counted_since')
        .where('name', '=', endpoint)
        .executeTakeFirst()
      return row?.counted_since ?? undefined
    },
    async dropHours(before) {
      await db
        .updateTable('day_sums')
        .set({ hours: null })
        .where('day', '<', before)
        .where('hours', 'is not', null)
        .execute()
    },
  }
}

/** @param counts - how many reports were counted, by endpoint and day; those of a day that is dropped are not among them */
export async function noteChanges(
  db: Kysely<Tables>,
  counts: readonly { endpoint: string; day: string; reports: number }[],
): Promise<void> {
  for (const { endpoint, day, reports } of counts) {
    await db
      .insertInto('counted_days')
      .values({ endpoint, day, changes: reports, folded: 0, dropped: 0 })
      .onConflict((conflict) =>
        conflict.columns(['endpoint', 'day']).doUpdateSet({
          changes: sql<number>`counted_days.changes + excluded.changes`,
        }),
      )
      .execute()
  }
}

async function selectCounted(
  db: Kysely<Tables>,
  endpoint: string,
  day: string,
): Promise<(Counted & { sources: Source[] })[]> {
  const rows = await db
    .selectFrom('profiles')
    .select(['deployment', 'version', 'spec', 'variant', 'provider', 'device'])
    .distinct()
    .where('endpoint', '=', endpoint)
    .where('window', '>=', `${day}T`)
    .where('window', '<', `${day}U`)
    .where('spec', '!=', '')
    .orderBy('deployment')
    .orderBy('version')
    .orderBy('spec')
    .orderBy('variant')
    .orderBy('provider')
    .orderBy('device')
    .execute()
  const found = new Map<string, Counted & { sources: Source[] }>()
  for (const { deployment, version, spec, ...source } of rows) {
    const key = JSON.stringify([deployment, version, spec])
    const held = found.get(key) ?? { deployment, version, spec, sources: [] }
    held.sources.push(source)
    found.set(key, held)
  }
  return [...found.values()]
}

async function putDay(
  db: Kysely<Tables>,
  { endpoint, day, changes }: OpenDay,
  folded: readonly FoldedDay[],
): Promise<void> {
  await db.deleteFrom('day_facts').where('endpoint', '=', endpoint).where('day', '=', day).execute()
  await db.deleteFrom('day_sums').where('endpoint', '=', endpoint).where('day', '=', day).execute()
  for (const { deployment, version, spec, facts, sources, rows, features } of folded) {
    const key = { endpoint, deployment, version, spec, day }
    await db
      .insertInto('day_facts')
      .values({ ...key, facts: JSON.stringify({ facts, sources, rows }) })
      .execute()
    for (const { hours, whole, ...names } of features) {
      const sums = { whole: JSON.stringify(encodeSpan(whole)), hours: JSON.stringify(hours.map(encodeSpan)) }
      await db
        .insertInto('day_sums')
        .values({ ...key, ...names, ...sums })
        .execute()
    }
  }
  await db
    .updateTable('counted_days')
    .set({ folded: changes })
    .where('endpoint', '=', endpoint)
    .where('day', '=', day)
    .execute()
}

async function selectKnown(
  db: Kysely<Tables>,
  endpoint: string,
  { deployment, version, spec }: Counted,
  from: string,
  to: string,
): Promise<KnownDay[]> {
  const rows = await db
    .selectFrom('day_facts')
    .innerJoin('counted_days', (join) =>
      join.onRef('counted_days.endpoint', '=', 'day_facts.endpoint').onRef('counted_days.day', '=', 'day_facts.day'),
    )
    .select(['day_facts.day', 'day_facts.facts'])
    .where('day_facts.endpoint', '=', endpoint)
    .where('day_facts.deployment', '=', deployment)
    .where('day_facts.version', '=', version)
    .where('day_facts.spec', '=', spec)
    .where('day_facts.day', '>=', from)
    .where('day_facts.day', '<=', to)
    .whereRef('counted_days.folded', '=', 'counted_days.changes')
    .orderBy('day_facts.day')
    .execute()
  return rows.map(({ day, facts }) => ({ day, ...JSON.parse(facts) }))
}

// JSON has no integers past 2^53: those are texts.
function encodeSpan({ at, cells, clusters, squares }: Span) {
  return [at, clusters, cells, squares.map((square) => (typeof square === 'bigint' ? String(square) : square))]
}

function decodeSpan([at, clusters, cells, squares]: [number, number, number[], (number | string)[]]): Span {
  return {
    at,
    clusters,
    cells,
    squares: squares.map((square) => (typeof square === 'string' ? BigInt(square) : square)),
  }
}
