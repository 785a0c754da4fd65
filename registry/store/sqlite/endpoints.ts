/** Endpoints in SQLite: one row each, changed by pure rules inside a transaction. */
import { type Kysely, sql } from 'kysely'
import { ensembleVariant } from '../../../runtime/contract/ensemble.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { endpointEvents } from '../../events/of-endpoint.ts'
import { versionsOf } from '../deployment.ts'
import { splitText } from '../endpoint.ts'
import type { EndpointState, Endpoints } from '../store.ts'
import { appendEvent } from './events.ts'
import type { Row, Tables } from './tables.ts'

export function openEndpoints(db: Kysely<Tables>): Endpoints {
  return {
    async create(name, now) {
      return await db.transaction().execute(async (tx) => {
        const row = await selectEndpoint(tx, name)
        if (row !== undefined && row.removed_at === null) return { state: toState(row), made: false }
        const made: Row<'endpoints'> = {
          name,
          number: (row?.number ?? 0) + 1,
          created_at: new Date(now).toISOString(),
          removed_at: null,
          revision: nextRevision(row?.revision ?? 0, now),
          issued_at: now,
          deployments: '[]',
          ranges: '[]',
          shadow: null,
          salt: null,
          rollout: null,
          counted_since: null,
          assignment: null,
        }
        await tx
          .insertInto('endpoints')
          .values(made)
          .onConflict((conflict) => conflict.column('name').doUpdateSet(made))
          .execute()
        return { state: toState(made), made: true }
      })
    },
    async change(name, now, rule) {
      return await db.transaction().execute(async (tx) => {
        const before = await takeEndpoint(tx, name)
        const after = rule(before)
        return after === before ? before : await writeEndpoint(tx, before, after, now)
      })
    },
    async reissue(name, before, now) {
      await db
        .updateTable('endpoints')
        .set({ issued_at: now })
        .where('name', '=', name)
        .where('issued_at', '=', before)
        .execute()
    },
    async remove(name, now, rule) {
      await db.transaction().execute(async (tx) => {
        const state = await takeEndpoint(tx, name)
        rule(state)
        // The row stays: a new endpoint of this name counts its salt and its revisions on from here.
        await tx
          .updateTable('endpoints')
          .set({ removed_at: new Date(now).toISOString(), revision: nextRevision(state.revision, now) })
          .where('name', '=', name)
          .execute()
      })
    },
    async endpoint(name) {
      const row = await selectEndpoint(db, name)
      return row?.removed_at === null ? toState(row) : undefined
    },
    async endpoints({ after, limit }) {
      const rows = await db
        .selectFrom('endpoints')
        .selectAll()
        .where('removed_at', 'is', null)
        .where('name', '>', after ?? '')
        .orderBy('name')
        .limit(limit)
        .execute()
      return rows.map(toState)
    },
    async served(name) {
      const rows = await db
        .selectFrom('served')
        .innerJoin('versions', (join) =>
          join.onRef('versions.model', '=', 'served.model').onRef('versions.version', '=', 'served.version'),
        )
        .leftJoin('profile_specs', 'profile_specs.digest', 'versions.spec')
        .select([
          'served.deployment',
          'served.model',
          'served.version',
          'versions.plan',
          'profile_specs.digest',
          'profile_specs.spec',
        ])
        .where('served.endpoint', '=', name)
        .execute()
      const ensembles = await db
        .selectFrom('ensembles')
        .select(['deployment', 'version'])
        .where('endpoint', '=', name)
        .execute()
      const versions = rows.map((row) => ({
        deployment: row.deployment,
        model: row.model,
        version: row.version,
        variants: (JSON.parse(row.plan) as { variants: { id: string }[] }).variants.map((variant) => variant.id),
        ...(row.digest !== null && row.spec !== null && { spec: { digest: row.digest, spec: JSON.parse(row.spec) } }),
      }))
      return [...versions, ...ensembles.map((each) => ({ ...each, variants: [ensembleVariant] }))]
    },
  }
}

// A registry restored from an old copy still moves forward, since its clock did.
function nextRevision(last: number, now: number): number {
  return Math.max(last + 1, now)
}

async function selectEndpoint(db: Kysely<Tables>, name: string): Promise<Row<'endpoints'> | undefined> {
  return await db.selectFrom('endpoints').selectAll().where('name', '=', name).executeTakeFirst()
}

/** @throws {@link SelvedgeError} `ENDPOINT_UNKNOWN` */
export async function takeEndpoint(db: Kysely<Tables>, name: string): Promise<EndpointState> {
  const row = await selectEndpoint(db, name)
  if (row?.removed_at === null) return toState(row)
  throw new SelvedgeError('ENDPOINT_UNKNOWN', `there is no endpoint ${name}`, { endpoint: name })
}

/**
 * What an endpoint is from now on, with its next revision, its events, and the split among those to which it can go back.
 *
 * @param db - a transaction
 * @param origin - of the split: a rollout, or an earlier one that comes back
 * @throws {@link SelvedgeError} `NOT_FOUND` for a deployment of a version that is not there
 */
export async function writeEndpoint(
  db: Kysely<Tables>,
  before: EndpointState,
  after: EndpointState,
  now: number,
  origin: { rollout?: string | undefined; restores?: number | undefined } = {},
): Promise<EndpointState> {
  await demandVersions(db, before, after)
  const state = { ...after, revision: nextRevision(before.revision, now), issuedAt: now }
  await db.updateTable('endpoints').set(toRow(state)).where('name', '=', before.name).execute()
  await recordServed(db, state, now)
  for (const event of endpointEvents(before, state)) await appendEvent(db, event)
  if (splitText(before) !== splitText(state)) await recordSplit(db, state, origin)
  return state
}

async function recordSplit(
  db: Kysely<Tables>,
  { name, revision, issuedAt, scheme, salt, audience, ranges, shadow }: EndpointState,
  { rollout, restores }: { rollout?: string | undefined; restores?: number | undefined },
): Promise<void> {
  await db
    .insertInto('splits')
    .values({
      endpoint: name,
      number: sql<number>`(SELECT number FROM endpoints WHERE name = ${name})`,
      revision,
      at: new Date(issuedAt).toISOString(),
      salt,
      assignment: JSON.stringify({ scheme, audience }),
      ranges: JSON.stringify(ranges),
      shadow: shadow === undefined ? null : JSON.stringify(shadow),
      rollout: rollout === undefined ? null : Number(rollout),
      restores: restores ?? null,
    })
    .execute()
}

// A version may have been deleted since the caller looked.
async function demandVersions(db: Kysely<Tables>, before: EndpointState, after: EndpointState): Promise<void> {
  const served = before.deployments.flatMap(versionsOf)
  for (const { model, version } of after.deployments.flatMap(versionsOf)) {
    if (served.some((held) => held.model === model && held.version === version)) continue
    const found = await db
      .selectFrom('versions')
      .select('version')
      .where('model', '=', model)
      .where('version', '=', version)
      .where('deleted_at', 'is', null)
      .executeTakeFirst()
    if (found !== undefined) continue
    throw new SelvedgeError('NOT_FOUND', `model ${model} has no version ${version}`, { model, version })
  }
}

async function recordServed(db: Kysely<Tables>, state: EndpointState, now: number): Promise<void> {
  const since = new Date(now).toISOString()
  for (const deployment of state.deployments) {
    const row = { endpoint: state.name, deployment: deployment.name, version: deployment.version, since }
    const inserting =
      deployment.kind === 'ensemble'
        ? db.insertInto('ensembles').values({ ...row, steps: JSON.stringify(deployment.steps) })
        : db.insertInto('served').values({ ...row, model: deployment.model })
    await inserting.onConflict((conflict) => conflict.doNothing()).execute()
  }
}

function toState(row: Row<'endpoints'>): EndpointState {
  return {
    name: row.name,
    createdAt: row.created_at,
    salt: row.salt ?? `${row.name}:${row.number}`,
    revision: row.revision,
    issuedAt: row.issued_at,
    deployments: JSON.parse(row.deployments),
    ranges: JSON.parse(row.ranges),
    ...assignmentOf(row),
    ...(row.shadow !== null && { shadow: JSON.parse(row.shadow) }),
    ...(row.rollout !== null && { rollout: JSON.parse(row.rollout) }),
  }
}

/** @param row - of an endpoint or a split; absent in one that is older than schemes */
export function assignmentOf({
  assignment,
}: {
  assignment: string | null
}): Pick<EndpointState, 'scheme' | 'audience'> {
  return assignment === null ? { scheme: 'murmur3-ppm-1' } : JSON.parse(assignment)
}

function toRow(state: EndpointState) {
  return {
    revision: state.revision,
    issued_at: state.issuedAt,
    deployments: JSON.stringify(state.deployments),
    ranges: JSON.stringify(state.ranges),
    shadow: state.shadow === undefined ? null : JSON.stringify(state.shadow),
    salt: state.salt,
    assignment: JSON.stringify({ scheme: state.scheme, audience: state.audience }),
    rollout: state.rollout === undefined ? null : JSON.stringify(state.rollout),
  }
}
