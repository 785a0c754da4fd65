/** Telemetry in SQLite: the last report of each (sender, window) replaces the one before, and sums are made when read. */
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { ProfileSum } from '../../../runtime/contract/control.ts'
import type { ProfileReport } from '../../../runtime/contract/telemetry.ts'
import { addCounts } from '../../../runtime/profile.ts'
import type { CheckedReport, HostRecord, Telemetry } from '../store.ts'
import type { Row, Tables } from './tables.ts'

export function openTelemetry(db: Kysely<Tables>): Telemetry {
  return {
    async fold(reports) {
      return await db.transaction().execute(async (tx) => {
        const counted: boolean[] = []
        for (const report of reports) {
          counted.push(await foldCounts(tx, report))
          await foldUnits(tx, report)
        }
        return counted
      })
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
    async senderCounts(endpoint, { deployment, version, spec }, since) {
      const rows = await db
        .selectFrom('profiles')
        .select(['window', 'sender', 'device', 'rows', 'counts', 'outputs', 'units'])
        .where('endpoint', '=', endpoint)
        .where('window', '>=', since)
        .where('deployment', '=', deployment)
        .where('version', '=', version)
        .where('spec', '=', spec)
        .orderBy('window')
        .execute()
      return rows.map(({ counts, outputs, units, ...row }) => ({
        ...row,
        counts: JSON.parse(counts),
        outputs: JSON.parse(outputs),
        ...(units !== null && { units: JSON.parse(units) }),
      }))
    },
    async hosts(endpoint, since, limit) {
      return await selectHosts(db, endpoint, since, limit)
    },
    async drop(before) {
      await db.transaction().execute(async (tx) => {
        await tx.deleteFrom('profiles').where('window', '<', before).execute()
        await tx.deleteFrom('reports').where('window', '<', before).execute()
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
  const latest = { seq, revision, received_at: receivedAt }
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
      .values(report.profiles.map((profile) => ({ endpoint, window, sender, ...toRow(profile) })))
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
  }
}

// Kept whether the counts are news or not: a unit is written once however often and in whatever order it is told.
async function foldUnits(db: Kysely<Tables>, { endpoint, exposures, outcomes }: CheckedReport): Promise<void> {
  for (const { unit, deployment, at, prediction } of exposures) {
    const told = prediction === undefined ? null : JSON.stringify(prediction)
    await db
      .insertInto('exposures')
      .values({ endpoint, unit, deployment, at, day: at.slice(0, 10), prediction: told })
      .onConflict((conflict) =>
        conflict
          .columns(['endpoint', 'unit', 'day', 'deployment'])
          .doUpdateSet({ at: (set) => set.ref('excluded.at'), prediction: (set) => set.ref('excluded.prediction') })
          // The text decides between two at one moment, so that the order of arrival never does.
          .where(
            sql<boolean>`(excluded.at, coalesce(excluded.prediction, '')) < (exposures.at, coalesce(exposures.prediction, ''))`,
          ),
      )
      .execute()
  }
  for (const { unit, at, values } of outcomes) {
    await db
      .insertInto('outcomes')
      .values({ endpoint, unit, at, window: at.slice(0, 16), body: JSON.stringify(values) })
      .onConflict((conflict) =>
        conflict
          .columns(['endpoint', 'unit', 'window'])
          .doUpdateSet({ at: (set) => set.ref('excluded.at'), body: (set) => set.ref('excluded.body') })
          .where(sql<boolean>`(excluded.at, excluded.body) < (outcomes.at, outcomes.body)`),
      )
      .execute()
  }
}

function sumProfiles(rows: readonly Row<'profiles'>[]): ProfileSum[] {
  const sums = new Map<string, { sum: ProfileSum; senders: Set<string> }>()
  for (const row of rows) {
    const { deployment, version, variant, provider, device, spec } = row
    const key = JSON.stringify([deployment, version, variant, provider, device, spec])
    const next = toProfile(row)
    const held = sums.get(key)
    if (held === undefined) {
      sums.set(key, { sum: next, senders: new Set([row.sender]) })
      continue
    }
    held.senders.add(row.sender)
    Object.assign(held.sum, addCounts(held.sum, next), {
      latency: held.sum.latency.map((count, i) => count + (next.latency[i] ?? 0)),
      errors: addErrors(held.sum.errors, next.errors),
    })
  }
  return [...sums.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { sum, senders }]) => ({ ...sum, senders: senders.size }))
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
