/** Deleting in SQLite: who holds it is read and asked in the transaction that deletes, whatever route it came by. */
import type { Kysely } from 'kysely'
import { type DeploymentState, versionsOf } from '../deployment.ts'
import type { Holders, Removal } from '../store.ts'
import { dropAliases, selectAliases } from './aliases.ts'
import { appendEvent } from './events.ts'
import type { Tables } from './tables.ts'

const nobody: Holders = { deployments: [], aliases: [], hosts: [], manifests: [] }

export async function removeModel(db: Kysely<Tables>, model: string, removal: Removal): Promise<boolean> {
  const rows = await liveVersions(db, model)
  if (rows.length === 0) return false
  const numbers = rows.map(({ version }) => version)
  removal.rule({ ...(await holdersOf(db, model, numbers, removal.heardSince)), aliases: [] })
  const pointing = (await selectAliases(db, model)).filter(({ version }) => numbers.includes(version))
  await dropAliases(
    db,
    model,
    pointing.map(({ alias }) => alias),
    { at: removal.now, by: removal.by },
  )
  await markDeleted(db, model, numbers, removal.now)
  for (const digest of new Set(rows.map(({ manifest }) => manifest))) await dropUnused(db, model, digest)
  return true
}

export async function removeVersion(
  db: Kysely<Tables>,
  model: string,
  version: number,
  removal: Removal,
): Promise<boolean> {
  const row = (await liveVersions(db, model)).find((each) => each.version === version)
  if (row === undefined) return false
  removal.rule(await holdersOf(db, model, [version], removal.heardSince))
  await markDeleted(db, model, [version], removal.now)
  await dropUnused(db, model, row.manifest)
  return true
}

export async function removeManifest(
  db: Kysely<Tables>,
  repository: string,
  digest: string,
  removal: Removal,
): Promise<boolean> {
  const found = await db
    .selectFrom('manifests')
    .select('digest')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirst()
  if (found === undefined) return false
  const made = (await liveVersions(db, repository)).filter(({ manifest }) => manifest === digest)
  const numbers = made.map(({ version }) => version)
  const holders = await holdersOf(db, repository, numbers, removal.heardSince)
  removal.rule({ ...holders, manifests: await parentsOf(db, repository, digest) })
  const tags = await db
    .selectFrom('aliases')
    .select('alias')
    .where('repository', '=', repository)
    .where('manifest', '=', digest)
    .execute()
  await dropAliases(
    db,
    repository,
    tags.map(({ alias }) => alias),
    { at: removal.now, by: removal.by },
  )
  await markDeleted(db, repository, numbers, removal.now)
  await db.deleteFrom('manifests').where('repository', '=', repository).where('digest', '=', digest).execute()
  return true
}

/** A tag that is no version's number. Whoever serves what it names is asked too: it is how people call what serves. */
export async function removeTag(
  db: Kysely<Tables>,
  repository: string,
  tag: string,
  removal: Removal,
): Promise<boolean> {
  const found = await db
    .selectFrom('aliases')
    .select('version')
    .where('repository', '=', repository)
    .where('alias', '=', tag)
    .executeTakeFirst()
  if (found === undefined) return false
  if (found.version !== null) {
    removal.rule({ ...(await holdersOf(db, repository, [found.version], removal.heardSince)), aliases: [] })
  }
  await dropAliases(db, repository, [tag], { at: removal.now, by: removal.by })
  return true
}

export async function removeBlob(
  db: Kysely<Tables>,
  repository: string,
  digest: string,
  removal: Removal,
): Promise<boolean> {
  const rows = await db
    .selectFrom('manifest_blobs')
    .select('manifest')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .execute()
  removal.rule({ ...nobody, manifests: rows.map(({ manifest }) => manifest) })
  const result = await db
    .deleteFrom('repository_blobs')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}

async function liveVersions(db: Kysely<Tables>, model: string): Promise<{ version: number; manifest: string }[]> {
  return await db
    .selectFrom('versions')
    .select(['version', 'manifest'])
    .where('model', '=', model)
    .where('deleted_at', 'is', null)
    .execute()
}

async function markDeleted(db: Kysely<Tables>, model: string, versions: number[], now: string): Promise<void> {
  if (versions.length === 0) return
  await db
    .updateTable('versions')
    .set({ deleted_at: now })
    .where('model', '=', model)
    .where('version', 'in', versions)
    .execute()
  for (const version of versions) {
    const subject = String(version)
    await appendEvent(db, { type: 'version.deleted', at: now, about: { model }, subject, data: { model, version } })
  }
}

// The manifest goes with the last version that it made, unless a tag or an index still names it.
async function dropUnused(db: Kysely<Tables>, repository: string, digest: string): Promise<void> {
  const made = (await liveVersions(db, repository)).some(({ manifest }) => manifest === digest)
  const tag = await db
    .selectFrom('aliases')
    .select('alias')
    .where('repository', '=', repository)
    .where('manifest', '=', digest)
    .executeTakeFirst()
  if (made || tag !== undefined || (await parentsOf(db, repository, digest)).length > 0) return
  await db.deleteFrom('manifests').where('repository', '=', repository).where('digest', '=', digest).execute()
}

async function parentsOf(db: Kysely<Tables>, repository: string, digest: string): Promise<string[]> {
  const rows = await db
    .selectFrom('manifest_children')
    .select('manifest')
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .execute()
  return rows.map(({ manifest }) => manifest)
}

async function holdersOf(
  db: Kysely<Tables>,
  model: string,
  versions: readonly number[],
  heardSince: string,
): Promise<Holders> {
  if (versions.length === 0) return nobody
  const aliases = await db
    .selectFrom('aliases')
    .select(['alias', 'version'])
    .where('repository', '=', model)
    .where('version', 'in', versions)
    .orderBy('alias')
    .execute()
  return {
    deployments: await deploymentsOf(db, model, versions),
    aliases: aliases.flatMap(({ alias, version }) => (version === null ? [] : [{ alias, version }])),
    hosts: [
      ...(await hostsOf(db, model, versions, heardSince)),
      ...(await ensembleHostsOf(db, model, versions, heardSince)),
    ],
    manifests: [],
  }
}

async function deploymentsOf(
  db: Kysely<Tables>,
  model: string,
  versions: readonly number[],
): Promise<Holders['deployments']> {
  const rows = await db
    .selectFrom('endpoints')
    .select(['name', 'deployments'])
    .where('removed_at', 'is', null)
    .orderBy('name')
    .execute()
  return rows.flatMap(({ name: endpoint, deployments }) => {
    const all = JSON.parse(deployments) as DeploymentState[]
    return all.flatMap((each) =>
      numbersIn(versionsOf(each), model, versions).map((version) => ({ endpoint, deployment: each.name, version })),
    )
  })
}

// A profile names a deployment; which model that was, `served` remembers.
async function hostsOf(
  db: Kysely<Tables>,
  model: string,
  versions: readonly number[],
  heardSince: string,
): Promise<Holders['hosts']> {
  return await heard(db, heardSince)
    .innerJoin('served', (join) =>
      join
        .onRef('served.endpoint', '=', 'profiles.endpoint')
        .onRef('served.deployment', '=', 'profiles.deployment')
        .onRef('served.version', '=', 'profiles.version'),
    )
    .select((select) => [
      'reports.endpoint',
      'served.version',
      select.fn.count<number>('reports.sender').distinct().as('count'),
    ])
    .where('served.model', '=', model)
    .where('served.version', 'in', versions)
    .groupBy(['reports.endpoint', 'served.version'])
    .orderBy('reports.endpoint')
    .orderBy('served.version')
    .execute()
}

async function ensembleHostsOf(
  db: Kysely<Tables>,
  model: string,
  versions: readonly number[],
  heardSince: string,
): Promise<Holders['hosts']> {
  const rows = await heard(db, heardSince)
    .innerJoin('ensembles', (join) =>
      join
        .onRef('ensembles.endpoint', '=', 'profiles.endpoint')
        .onRef('ensembles.deployment', '=', 'profiles.deployment')
        .onRef('ensembles.version', '=', 'profiles.version'),
    )
    .select((select) => [
      'reports.endpoint',
      'ensembles.steps',
      select.fn.count<number>('reports.sender').distinct().as('count'),
    ])
    .groupBy(['reports.endpoint', 'ensembles.deployment', 'ensembles.version'])
    .orderBy('reports.endpoint')
    .execute()
  return rows.flatMap(({ endpoint, steps, count }) =>
    numbersIn(JSON.parse(steps), model, versions).map((version) => ({ endpoint, version, count })),
  )
}

/** Those of the versions that are among some. */
function numbersIn(
  some: readonly { model: string; version: number }[],
  model: string,
  versions: readonly number[],
): number[] {
  return versions.filter((version) => some.some((each) => each.model === model && each.version === version))
}

/** What hosts reported since then. */
function heard(db: Kysely<Tables>, since: string) {
  return db
    .selectFrom('reports')
    .innerJoin('profiles', (join) =>
      join
        .onRef('profiles.endpoint', '=', 'reports.endpoint')
        .onRef('profiles.sender', '=', 'reports.sender')
        .onRef('profiles.window', '=', 'reports.window'),
    )
    .where('reports.received_at', '>=', since)
}
