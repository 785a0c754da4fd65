/** Telemetry in SQLite: the last report of each (sender, window) replaces the one before; days that ended are folded later. */
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { ProfileReport } from '../../../runtime/contract/telemetry.ts'
import type { Changes } from '../changes.ts'
import type { Counted, Tier } from '../days.ts'
import type { CheckedReport, Folded, HostRecord, Telemetry } from '../store.ts'
import { noteChanges } from './days.ts'
import { sumProfiles } from './profile-sums.ts'
import { sumShadows } from './shadows.ts'
import type { Tables } from './tables.ts'
import { foldUnits } from './unit-events.ts'

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
