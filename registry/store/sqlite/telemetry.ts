/** Telemetry in SQLite: the last report of each (sender, window) replaces the one before; days that ended are folded later. */
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { ProfileSum } from '../../../runtime/contract/control.ts'
import type { ProfileReport } from '../../../runtime/contract/telemetry.ts'
import { addCounts } from '../../../runtime/telemetry/profile.ts'
import type { Changes } from '../changes.ts'
import type { Counted, Tier } from '../days.ts'
import type { CheckedReport, Folded, HostRecord, Telemetry } from '../store.ts'
import { noteBusy, withoutBusy } from './busy-units.ts'
import { noteChanges } from './days.ts'
import { writeOutcome } from './outcome.ts'
import { sumShadows } from './shadows.ts'
import type { Row, Tables } from './tables.ts'

export function openTelemetry(db: Kysely<Tables>, changes: Changes): Telemetry {
  return {
    async fold(reports) {
      const results = await db.transaction().execute(async (tx) => {
        const dropped = await droppedDays(tx, reports)
        const folded: (Folded | undefined)[] = []
        for (const report of reports) {
          const isDropped = dropped.has(dayKey(report))
          folded.push(
            isDropped ? undefined : { counted: await foldCounts(tx, report), busy: await foldUnits(tx, report) },
          )
        }
        await noteChanges(tx, changesIn(reports.filter((_, i) => folded[i]?.counted)))
        return folded
      })
      for (const [i, { endpoint, window }] of reports.entries()) {
        if (results[i]?.counted) changes.counted(endpoint, window)
      }
      return results
    },
    async sums(endpoint, since) {
      const rows = await db
        .selectFrom('profiles')
        .selectAll()
        .where('endpoint', '=', endpoint)
        .where('window', '>=', since)
        .execute()
      return sumProfiles(rows)
    },
    async shadows(endpoint, since) {
      const rows = await db
        .selectFrom('reports')
        .select(['sender', 'shadows'])
        .where('endpoint', '=', endpoint)
        .where('window', '>=', since)
        .where('shadows', 'is not', null)
        .execute()
      return sumShadows(rows.map(({ sender, shadows }) => ({ sender, shadows: JSON.parse(shadows ?? '[]') })))
    },
    async senderCounts(endpoint, counted, since, until) {
      const rows = await ofVersion(db, endpoint, counted, since, until)
        .select(['window', 'sender', 'tier', 'variant', 'provider', 'device', 'rows', 'counts', 'outputs', 'units'])
        .orderBy('window')
        .orderBy('sender')
        .orderBy('variant')
        .orderBy('provider')
        .orderBy('device')
        .execute()
      return rows.map(({ tier, counts, outputs, units, ...row }) => ({
        ...row,
        tier: tier as Tier,
        counts: JSON.parse(counts),
        outputs: JSON.parse(outputs),
        ...(units !== null && { units: JSON.parse(units) }),
      }))
    },
    async senderDays(endpoint, counted, since, until) {
      const rows = await ofVersion(db, endpoint, counted, since, until)
        .select((select) => [
          select.fn.min('tier').as('tier'),
          select.fn.min('device').as('device'),
          select.fn.sum<number>('rows').as('rows'),
          sql<number>`sum(coalesce(json_extract(units, '$.rows'), 0))`.as('told'),
        ])
        .groupBy('sender')
        .execute()
      return rows.map((row) => ({ ...row, tier: row.tier as Tier }))
    },
    async hosts(endpoint, since, limit) {
      return await selectHosts(db, endpoint, since, limit)
    },
    async drop(before) {
      await db.transaction().execute(async (tx) => {
        await dropDays(tx, before.slice(0, 10))
      })
    },
    async counted(endpoint) {
      const count = async (table: 'exposures' | 'outcomes') => {
        const row = await db
          .selectFrom(table)
          .select((select) => select.fn.countAll<number>().as('number'))
          .where('endpoint', '=', endpoint)
          .executeTakeFirstOrThrow()
        return row.number
      }
      return { exposures: await count('exposures'), outcomes: await count('outcomes') }
    },
  }
}

function ofVersion(
  db: Kysely<Tables>,
  endpoint: string,
  { deployment, version, spec }: Counted,
  since: string,
  until?: string,
) {
  return db
    .selectFrom('profiles')
    .where('endpoint', '=', endpoint)
    .where('window', '>=', since)
    .$if(until !== undefined, (query) => query.where('window', '<', until ?? ''))
    .where('deployment', '=', deployment)
    .where('version', '=', version)
    .where('spec', '=', spec)
}

type DayOfReport = Pick<CheckedReport, 'endpoint' | 'window'>

function dayKey({ endpoint, window }: DayOfReport): string {
  return `${window.slice(0, 10)} ${endpoint}`
}

/** How many of the reports are of each endpoint and day. */
function changesIn(reports: readonly DayOfReport[]): { endpoint: string; day: string; reports: number }[] {
  const changes = new Map<string, { endpoint: string; day: string; reports: number }>()
  for (const { endpoint, window } of reports) {
    const key = dayKey({ endpoint, window })
    changes.set(key, { endpoint, day: window.slice(0, 10), reports: (changes.get(key)?.reports ?? 0) + 1 })
  }
  return [...changes.values()]
}

async function droppedDays(db: Kysely<Tables>, reports: readonly DayOfReport[]): Promise<ReadonlySet<string>> {
  const dropped = new Set<string>()
  for (const { endpoint, day } of changesIn(reports)) {
    const row = await db
      .selectFrom('counted_days')
      .select('dropped')
      .where('endpoint', '=', endpoint)
      .where('day', '=', day)
      .executeTakeFirst()
    if (row?.dropped === 1) dropped.add(dayKey({ endpoint, window: day }))
  }
  return dropped
}

async function dropDays(db: Kysely<Tables>, before: string): Promise<void> {
  const days = await db
    .updateTable('counted_days')
    .set({ dropped: 1 })
    .where('day', '<', before)
    .where('dropped', '=', 0)
    .whereRef('folded', '=', 'changes')
    .returning(['endpoint', 'day'])
    .execute()
  for (const { endpoint, day } of days) {
    for (const table of ['profiles', 'reports'] as const) {
      await db
        .deleteFrom(table)
        .where('endpoint', '=', endpoint)
        .where('window', '>=', `${day}T`)
        .where('window', '<', `${day}U`)
        .execute()
    }
  }
}

async function foldCounts(db: Kysely<Tables>, report: CheckedReport): Promise<boolean> {
  const { endpoint, sender, window, seq, revision, receivedAt } = report
  const held = await db
    .selectFrom('reports')
    .select('seq')
    .where('endpoint', '=', endpoint)
    .where('sender', '=', sender)
    .where('window', '=', window)
    .executeTakeFirst()
  if (held !== undefined && seq <= held.seq) return false
  const shadows = report.shadows === undefined ? null : JSON.stringify(report.shadows)
  const latest = { seq, revision, received_at: receivedAt, shadows }
  await db
    .insertInto('reports')
    .values({ endpoint, sender, window, first_received_at: receivedAt, ...latest })
    .onConflict((conflict) => conflict.columns(['endpoint', 'sender', 'window']).doUpdateSet(latest))
    .execute()
  if (held !== undefined) {
    await db
      .deleteFrom('profiles')
      .where('endpoint', '=', endpoint)
      .where('window', '=', window)
      .where('sender', '=', sender)
      .execute()
  }
  if (report.profiles.length > 0) {
    await db
      .insertInto('profiles')
      .values(report.profiles.map((profile) => ({ endpoint, window, sender, tier: report.tier, ...toRow(profile) })))
      .execute()
  }
  return true
}

function toRow({ deployment, version, variant, provider, device, spec = '', rows, ...cells }: ProfileReport) {
  return {
    deployment,
    version,
    variant,
    provider,
    device,
    spec,
    rows,
    counts: JSON.stringify(cells.counts),
    outputs: JSON.stringify(cells.outputs),
    latency: JSON.stringify(cells.latency),
    errors: JSON.stringify(cells.errors),
    units: cells.units === undefined ? null : JSON.stringify(cells.units),
    pinned: cells.pinned === undefined ? null : JSON.stringify(cells.pinned),
  }
}

// Kept whether the counts are news or not: a unit is written once however often and in whatever order it is told. Gives how
// many events it left out.
async function foldUnits(db: Kysely<Tables>, all: CheckedReport): Promise<number> {
  const report = await withoutBusy(db, all)
  const { endpoint, exposures, outcomes } = report
  const splits = new Map<number, number>()
  for (const { unit, deployment, at, prediction, revision: assigned = report.revision } of exposures) {
    const revision = splits.get(assigned) ?? (await splitOf(db, endpoint, assigned))
    splits.set(assigned, revision)
    const told = prediction === undefined ? null : JSON.stringify(prediction)
    await db
      .insertInto('exposures')
      .values({ endpoint, unit, deployment, revision, at, day: at.slice(0, 10), prediction: told })
      .onConflict((conflict) =>
        conflict
          .columns(['endpoint', 'unit', 'day', 'deployment', 'revision'])
          .doUpdateSet({ at: (set) => set.ref('excluded.at'), prediction: (set) => set.ref('excluded.prediction') })
          // The text decides between two at one moment, so that the order of arrival never does.
          .where(
            sql<boolean>`(excluded.at, coalesce(excluded.prediction, '')) < (exposures.at, coalesce(exposures.prediction, ''))`,
          ),
      )
      .execute()
  }
  for (const outcome of outcomes) await writeOutcome(db, endpoint, outcome)
  await noteBusy(db, report)
  return all.exposures.length - exposures.length + all.outcomes.length - outcomes.length
}

// The plan's revision rises with changes that leave the split as it was, too.
async function splitOf(db: Kysely<Tables>, endpoint: string, revision: number): Promise<number> {
  const found = await db
    .selectFrom('splits')
    .select('revision')
    .where('endpoint', '=', endpoint)
    .where('number', '=', sql<number>`(SELECT number FROM endpoints WHERE name = ${endpoint})`)
    .where('revision', '<=', revision)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return found?.revision ?? 0
}

function sumProfiles(rows: readonly Row<'profiles'>[]): ProfileSum[] {
  const sums = new Map<string, { sum: ProfileSum; senders: Map<string, ProfileSum> }>()
  for (const row of rows) {
    const { deployment, version, variant, provider, device, spec, tier } = row
    const key = JSON.stringify([deployment, version, variant, provider, device, spec, tier])
    const next = toProfile(row)
    const held = sums.get(key)
    if (held === undefined) {
      sums.set(key, { sum: next, senders: new Map([[row.sender, next]]) })
      continue
    }
    held.sum = addProfiles(held.sum, next)
    const own = held.senders.get(row.sender)
    held.senders.set(row.sender, own === undefined || tier !== 'page' ? next : addProfiles(own, next))
  }
  return [...sums.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { sum, senders }]) => ({
      ...sum,
      senders: senders.size,
      ...(sum.tier === 'page' && { shares: equalShares([...senders.values()]) }),
    }))
}

function addProfiles(a: ProfileSum, b: ProfileSum): ProfileSum {
  return {
    ...a,
    ...addCounts(a, b),
    latency: a.latency.map((count, i) => count + (b.latency[i] ?? 0)),
    errors: addErrors(a.errors, b.errors),
  }
}

/** Parts per million, of senders that weigh the same. */
function equalShares(senders: readonly ProfileSum[]): ProfileSum['shares'] {
  const [first] = senders
  const by = (side: 'counts' | 'outputs') =>
    Object.fromEntries(
      Object.keys(first?.[side] ?? {}).map((name) => [name, meanShares(senders.map((own) => own[side][name] ?? []))]),
    )
  return { counts: by('counts'), outputs: by('outputs'), latency: meanShares(senders.map(({ latency }) => latency)) }
}

// Integers, so that the order of the senders does not decide; a sender without a row has no share.
function meanShares(vectors: readonly (readonly number[])[]): number[] {
  const sums = new Array<number>(vectors[0]?.length ?? 0).fill(0)
  let senders = 0
  for (const counts of vectors) {
    const rows = counts.reduce((sum, count) => sum + count, 0)
    if (rows === 0) continue
    senders++
    for (let i = 0; i < sums.length; i++) {
      sums[i] = (sums[i] ?? 0) + Math.floor((1_000_000 * (counts[i] ?? 0)) / rows)
    }
  }
  return sums.map((sum) => Math.round(sum / Math.max(1, senders)))
}

function addErrors(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sum = { ...a }
  for (const [code, count] of Object.entries(b)) sum[code] = (sum[code] ?? 0) + count
  return sum
}

function toProfile(row: Row<'profiles'>): ProfileSum {
  return {
    deployment: row.deployment,
    version: row.version,
    variant: row.variant,
    provider: row.provider as ProfileSum['provider'],
    device: row.device as ProfileSum['device'],
    ...(row.spec !== '' && { spec: row.spec }),
    rows: row.rows,
    counts: JSON.parse(row.counts),
    outputs: JSON.parse(row.outputs),
    latency: JSON.parse(row.latency),
    errors: JSON.parse(row.errors),
    tier: row.tier as Tier,
    senders: 1,
  }
}

async function selectHosts(db: Kysely<Tables>, endpoint: string, since: string, limit: number): Promise<HostRecord[]> {
  const seen = await db
    .selectFrom('reports')
    .select((select) => [
      'sender',
      select.fn.max('revision').as('revision'),
      select.fn.min('first_received_at').as('first'),
      select.fn.max('received_at').as('last'),
    ])
    .where('endpoint', '=', endpoint)
    .where('received_at', '>=', since)
    .groupBy('sender')
    .orderBy('last', 'desc')
    .orderBy('sender')
    .limit(limit)
    .execute()
  if (seen.length === 0) return []
  const parts = await db
    .selectFrom('profiles')
    .select((select) => ['sender', 'provider', 'device', select.fn.sum<number>('rows').as('rows')])
    .where('endpoint', '=', endpoint)
    .where(
      'sender',
      'in',
      seen.map((host) => host.sender),
    )
    .groupBy(['sender', 'provider', 'device'])
    .execute()
  return seen.map(({ sender, revision, first, last }) => {
    const own = parts.filter((part) => part.sender === sender)
    return {
      sender,
      revision,
      firstSeenAt: first,
      lastSeenAt: last,
      providers: [...new Set(own.map((part) => part.provider))].sort(),
      device: own[0]?.device ?? 'unknown',
      rows: own.reduce((sum, part) => sum + part.rows, 0),
    }
  })
}
