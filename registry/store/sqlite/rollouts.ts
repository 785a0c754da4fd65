/** Rollouts in SQLite: the row and the split change in one transaction, whose first statement takes the right to write. */
import { type Kysely, sql } from 'kysely'
import { isUnderWay, type RolloutEntry, type RolloutState } from '../../../runtime/contract/rollout.ts'
import { type EndpointState, splitOf, withSplit } from '../endpoint.ts'
import type { OutcomePlace, PastSplit, RolloutChange, RolloutRecord, Rollouts } from '../rollouts.ts'
import { isNotBusy } from './busy-units.ts'
import { assignmentOf, takeEndpoint, writeEndpoint } from './endpoints.ts'
import { appendEvent } from './events.ts'
import { toldAt } from './outcome.ts'
import type { Row, Tables } from './tables.ts'

const keptSplits = 1000
/** The first of a step are read: what so many do not decide, more do not. A query stops the event loop. */
const mostEvents = 200_000

export function openRollouts(db: Kysely<Tables>): Rollouts {
  return {
    async start(endpoint, now, rule) {
      return await db.transaction().execute(async (tx) => {
        const before = await lockEndpoint(tx, endpoint)
        const { body, advice, split, holds, entry } = rule(before)
        const { id } = await tx
          .insertInto('rollouts')
          .values({
            endpoint,
            number: numberOf(endpoint),
            state: 'running',
            step: 0,
            step_started_at: entry.at,
            revision: before.revision,
            created_at: entry.at,
            changes: 0,
            body: JSON.stringify(body),
            before: JSON.stringify(splitOf(before)),
            advice: JSON.stringify(advice),
          })
          .returning('id')
          .executeTakeFirstOrThrow()
        const rollout = String(id)
        const after = { ...withSplit(before, split), rollout: { id: rollout, deployments: holds } }
        const { revision } = await writeEndpoint(tx, before, after, now, { rollout })
        await tx.updateTable('rollouts').set({ revision }).where('id', '=', id).execute()
        await addEntry(tx, rollout, { ...entry, revision })
        return await takeRollout(tx, rollout)
      })
    },
    async change(id, changes, now, rule) {
      return await db.transaction().execute(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('rollouts')
          .set({ changes: changes + 1 })
          .where('id', '=', Number(id))
          .where('changes', '=', changes)
          .executeTakeFirst()
        if (numUpdatedRows === 0n) return undefined
        const rollout = await takeRollout(tx, id)
        const before = await takeEndpoint(tx, rollout.endpoint)
        await writeChange(tx, rollout, before, rule(rollout, before), now)
        return await takeRollout(tx, id)
      })
    },
    async back(endpoint, now, rule) {
      return await db.transaction().execute(async (tx) => {
        const before = await lockEndpoint(tx, endpoint)
        const underWay = before.rollout && (await takeRollout(tx, before.rollout.id))
        const { split, restores, change } = rule(before, await selectSplits(tx, endpoint), underWay)
        if (underWay !== undefined && change !== undefined) {
          return await writeChange(tx, underWay, before, { ...change, split }, now)
        }
        return await writeEndpoint(tx, before, withSplit(before, split), now, { restores })
      })
    },
    async rollout(endpoint, id) {
      if (!/^[1-9]\d{0,14}$/.test(id)) return undefined
      const row = await ofEndpoint(db, endpoint).where('rollouts.id', '=', Number(id)).executeTakeFirst()
      return row && toRollout(row)
    },
    async rollouts(endpoint, { before = Number.MAX_SAFE_INTEGER, limit }) {
      const rows = await ofEndpoint(db, endpoint)
        .where('rollouts.id', '<', before)
        .orderBy('rollouts.id', 'desc')
        .limit(limit)
        .execute()
      return rows.map(toRollout)
    },
    async underWay() {
      const rows = await db
        .selectFrom('rollouts')
        .selectAll()
        .where('state', 'in', ['running', 'paused'])
        .orderBy('id')
        .execute()
      return rows.map(toRollout)
    },
    async history(id) {
      const rows = await db
        .selectFrom('rollout_entries')
        .select('body')
        .where('rollout', '=', Number(id))
        .orderBy('place')
        .execute()
      return rows.map(({ body }) => JSON.parse(body))
    },
    async counted(endpoint, { since, revision, after, limit }) {
      let query = db
        .selectFrom('profiles')
        .innerJoin('reports', (join) =>
          join
            .onRef('reports.endpoint', '=', 'profiles.endpoint')
            .onRef('reports.sender', '=', 'profiles.sender')
            .onRef('reports.window', '=', 'profiles.window'),
        )
        .select([
          'profiles.window',
          'profiles.sender',
          'deployment',
          'version',
          'variant',
          'provider',
          'device',
          'spec',
          'rows',
          'outputs',
          'latency',
          'errors',
          'pinned',
        ])
        .where('profiles.endpoint', '=', endpoint)
        .where('profiles.window', '>=', since)
        .where('reports.revision', '>=', revision)
        .orderBy('profiles.window')
        .orderBy('profiles.sender')
        .orderBy('deployment')
        .orderBy('version')
        .orderBy('variant')
        .orderBy('provider')
        .orderBy('device')
        .orderBy('spec')
        .limit(limit)
      if (after !== undefined) {
        const { window, sender, deployment, version, variant, provider, device, spec } = after
        query = query.where(
          sql<boolean>`(profiles.window, profiles.sender, deployment, version, variant, provider, device, spec) >
            (${window}, ${sender}, ${deployment}, ${version}, ${variant}, ${provider}, ${device}, ${spec})`,
        )
      }
      return (await query.execute()).map(({ outputs, latency, errors, pinned, ...row }) => ({
        ...row,
        outputs: JSON.parse(outputs),
        latency: JSON.parse(latency),
        errors: JSON.parse(errors),
        ...(pinned !== null && { pinned: JSON.parse(pinned) }),
      }))
    },
    async exposed(endpoint, { since, revision }) {
      const rows = await db
        .selectFrom('exposures')
        .select((select) => ['deployment', select.fn.count<number>('unit').distinct().as('units')])
        .where('endpoint', '=', endpoint)
        .where('at', '>=', since)
        .where('revision', '>=', revision)
        .where(isNotBusy(endpoint, sql.ref('exposures.unit')))
        .groupBy('deployment')
        .execute()
      return Object.fromEntries(rows.map(({ deployment, units }) => [deployment, units]))
    },
    async units(endpoint, { since, revision }) {
      // With one aggregate min() SQLite takes the other columns from the row that has it.
      const { rows } = await sql<{ unit: string; deployment: string; at: string }>`
        SELECT unit, deployment, min(at) AS at FROM (
          SELECT unit, deployment, at FROM exposures e
          WHERE endpoint = ${endpoint} AND at >= ${since} AND revision >= ${revision}
            AND ${isNotBusy(endpoint, sql.ref('e.unit'))}
          ORDER BY at LIMIT ${mostEvents}
        ) GROUP BY unit`.execute(db)
      return rows.map(({ unit, deployment, at }) => ({ unit, deployment, at }))
    },
    async newUnits(endpoint, { since, revision }) {
      const { rows } = await sql<{ deployment: string; units: number }>`
        SELECT deployment, count(*) AS units FROM (
          SELECT unit, deployment, min(at) FROM (
            SELECT unit, deployment, at FROM exposures s
            WHERE endpoint = ${endpoint} AND at >= ${since} AND revision >= ${revision}
              AND ${isNotBusy(endpoint, sql.ref('s.unit'))}
            ORDER BY at LIMIT ${mostEvents}
          ) e
          WHERE NOT EXISTS (
            SELECT 1 FROM exposures p WHERE p.endpoint = ${endpoint} AND p.unit = e.unit AND p.revision < ${revision}
          )
          GROUP BY unit
        ) GROUP BY deployment`.execute(db)
      return Object.fromEntries(rows.map(({ deployment, units }) => [deployment, units]))
    },
    async outcomes(endpoint, { names, since, after = { at: since, unit: '' }, limit }) {
      // The limit counts what others told of, too, so that a page costs as much whatever it finds.
      const { rows } = await sql<OutcomePlace & { told: string }>`
        SELECT o.at, o.unit, (
          SELECT json_group_array(json_array(j.key, j.type, j.value, ${toldAt('o', sql`j.key`)})) FROM json_each(o.body) j
          WHERE j.key IN (${sql.join([...names])}) AND j.type IN ('true', 'false', 'integer', 'real')
        ) AS told FROM (
          SELECT unit, at, body, times FROM outcomes
          WHERE endpoint = ${endpoint} AND at >= ${after.at} AND (at, unit) > (${after.at}, ${after.unit})
            AND ${isNotBusy(endpoint, sql.ref('outcomes.unit'))}
          ORDER BY at, unit LIMIT ${limit}
        ) o ORDER BY o.at, o.unit`.execute(db)
      const last = rows.length === limit ? rows.at(-1) : undefined
      return {
        told: rows.flatMap(({ unit, told }) =>
          (JSON.parse(told) as [string, string, number, string][]).map(([name, type, value, at]) => {
            const isTruth = type === 'true' || type === 'false'
            return { unit, at, name, value: isTruth ? type === 'true' : value }
          }),
        ),
        ...(last && { next: { at: last.at, unit: last.unit } }),
      }
    },
  }
}

// A deferred transaction that read first could not write once another registry wrote; this one waits for its turn.
async function lockEndpoint(db: Kysely<Tables>, endpoint: string): Promise<EndpointState> {
  await db
    .updateTable('endpoints')
    .set((set) => ({ revision: set.ref('revision') }))
    .where('name', '=', endpoint)
    .execute()
  return await takeEndpoint(db, endpoint)
}

/** The endpoint after it. */
async function writeChange(
  db: Kysely<Tables>,
  rollout: RolloutRecord,
  before: EndpointState,
  change: RolloutChange,
  now: number,
): Promise<EndpointState> {
  const { state, step, split, entry, event } = change
  const isOver = !isUnderWay(change)
  const { rollout: hold, ...rest } = split ? withSplit(before, split) : before
  const after = { ...rest, ...(hold && !isOver && { rollout: hold }) }
  const written = split || isOver ? await writeEndpoint(db, before, after, now, { rollout: rollout.id }) : before
  await db
    .updateTable('rollouts')
    .set({ state, ...(step !== undefined && { step, step_started_at: entry.at, revision: written.revision }) })
    .where('id', '=', Number(rollout.id))
    .execute()
  await addEntry(db, rollout.id, { ...entry, revision: written.revision })
  if (event !== undefined) await appendEvent(db, event)
  return written
}

async function addEntry(db: Kysely<Tables>, rollout: string, entry: RolloutEntry): Promise<void> {
  await db
    .insertInto('rollout_entries')
    .values({
      rollout: Number(rollout),
      place: sql<number>`(SELECT count(*) FROM rollout_entries WHERE rollout = ${Number(rollout)})`,
      body: JSON.stringify(entry),
    })
    .execute()
}

function numberOf(endpoint: string) {
  return sql<number>`(SELECT number FROM endpoints WHERE name = ${endpoint})`
}

// Of the endpoint as it is now: one that was removed and made again has none.
function ofEndpoint(db: Kysely<Tables>, endpoint: string) {
  return db.selectFrom('rollouts').selectAll().where('endpoint', '=', endpoint).where('number', '=', numberOf(endpoint))
}

async function takeRollout(db: Kysely<Tables>, id: string): Promise<RolloutRecord> {
  return toRollout(await db.selectFrom('rollouts').selectAll().where('id', '=', Number(id)).executeTakeFirstOrThrow())
}

async function selectSplits(db: Kysely<Tables>, endpoint: string): Promise<PastSplit[]> {
  const rows = await db
    .selectFrom('splits')
    .selectAll()
    .where('endpoint', '=', endpoint)
    .where('number', '=', numberOf(endpoint))
    .orderBy('id', 'desc')
    .limit(keptSplits)
    .execute()
  return rows.map(({ id, at, salt, assignment, ranges, shadow, rollout, restores }) => ({
    id,
    at,
    salt,
    ...assignmentOf({ assignment }),
    ranges: JSON.parse(ranges),
    ...(shadow !== null && { shadow: JSON.parse(shadow) }),
    ...(rollout !== null && { rollout: String(rollout) }),
    ...(restores !== null && { restores }),
  }))
}

function toRollout(row: Row<'rollouts'>): RolloutRecord {
  return {
    ...JSON.parse(row.body),
    id: String(row.id),
    endpoint: row.endpoint,
    state: row.state as RolloutState,
    step: row.step,
    stepStartedAt: row.step_started_at,
    revision: row.revision,
    createdAt: row.created_at,
    before: JSON.parse(row.before),
    advice: JSON.parse(row.advice),
    changes: row.changes,
  }
}
