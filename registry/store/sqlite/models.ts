/** Models and versions in SQLite. */
import { type Kysely, sql } from 'kysely'
import type { Model } from '../../../runtime/contract/control.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Models, NewVersion, VersionRecord } from '../store.ts'
import { moveAlias, selectAliases, selectMove, selectMoves } from './aliases.ts'
import { appendEvent } from './events.ts'
import { filterCondition } from './filter.ts'
import { insertManifest } from './manifests.ts'
import { removeModel, removeVersion } from './removal.ts'
import type { Row, Tables } from './tables.ts'

const modelColumns = {
  name: sql`models.name`,
  version_number: sql`versions.version`,
  created_at: sql`models.created_at`,
  tags: [sql`versions.tags`, sql`models.tags`],
}

const versionColumns = {
  name: sql`model`,
  version_number: sql`version`,
  created_at: sql`created_at`,
  tags: [sql`tags`],
}

export function openModels(db: Kysely<Tables>): Models {
  return {
    async registerVersion(version, now) {
      return await db.transaction().execute((tx) => registerVersion(tx, version, now))
    },
    async versionOf(model, manifest) {
      return await newestOf(db, model, manifest)
    },
    async models({ filter, order = { by: 'name', descending: false }, after, limit }) {
      const column = modelColumns[order.by]
      const direction = order.descending ? 'desc' : 'asc'
      let query = selectModels(db).orderBy(column, direction).orderBy('models.name', direction).limit(limit)
      if (filter !== undefined) query = query.where(filterCondition(filter, modelColumns))
      if (after !== undefined) {
        const isAfter = order.descending ? sql`<` : sql`>`
        query = query.where(sql<boolean>`(${column}, models.name) ${isAfter} (${after.value}, ${after.name})`)
      }
      return (await query.execute()).map(toModel)
    },
    async model(model) {
      const row = await selectModels(db).where('models.name', '=', model).executeTakeFirst()
      return row && toModel(row)
    },
    async versions(model, { filter, before, limit }) {
      let query = db
        .selectFrom('versions')
        .selectAll()
        .where('deleted_at', 'is', null)
        .where('model', '=', model)
        .where('version', '<', before ?? Number.MAX_SAFE_INTEGER)
        .orderBy('version', 'desc')
        .limit(limit)
      if (filter !== undefined) query = query.where(filterCondition(filter, versionColumns))
      return (await query.execute()).map(toVersion)
    },
    async version(model, version) {
      const row = await db
        .selectFrom('versions')
        .selectAll()
        .where('model', '=', model)
        .where('version', '=', version)
        .where('deleted_at', 'is', null)
        .executeTakeFirst()
      return row && toVersion(row)
    },
    aliases: (model) => selectAliases(db, model),
    aliasMove: (model, alias, at) => selectMove(db, model, alias, at),
    aliasMoves: (model, alias, page) => selectMoves(db, model, alias, page),
    async moveAlias(model, { alias, version, by, why }, now, rule) {
      return await db.transaction().execute(async (tx) => {
        rule(await selectMove(tx, model, alias, undefined))
        const row = await tx
          .selectFrom('versions')
          .select('manifest')
          .where('model', '=', model)
          .where('version', '=', version)
          .where('deleted_at', 'is', null)
          .executeTakeFirst()
        if (row === undefined) throw new SelvedgeError('NOT_FOUND', `model ${model} has no version ${version}`)
        await moveAlias(tx, model, { alias, manifest: row.manifest, version, at: now, by, why })
        const moved = await selectMove(tx, model, alias, undefined)
        if (moved === undefined) throw new Error('an alias moved and left no trace')
        return moved
      })
    },
    async noteProbe(model, version, probe) {
      await db
        .updateTable('versions')
        .set({ probe: JSON.stringify(probe) })
        .where('model', '=', model)
        .where('version', '=', version)
        .execute()
    },
    async unprobed() {
      const rows = await db
        .selectFrom('versions')
        .selectAll()
        .where('probe', 'is', null)
        .where('deleted_at', 'is', null)
        .orderBy('created_at')
        .execute()
      return rows.map(toVersion)
    },
    async removeVersion(model, version, removal) {
      return await db.transaction().execute((tx) => removeVersion(tx, model, version, removal))
    },
    async removeModel(model, removal) {
      return await db.transaction().execute((tx) => removeModel(tx, model, removal))
    },
  }
}

async function registerVersion(
  db: Kysely<Tables>,
  version: NewVersion,
  now: string,
): Promise<{ version: number; registered: boolean }> {
  const { model, manifest, target } = version
  const { number, registered } = await decideNumber(db, version)
  if (registered) {
    await insertManifest(db, model, manifest, now)
    await insertVersion(db, version, number, now)
    await tellVersion(db, version, number, now)
  }
  if ('alias' in target) {
    await moveAlias(db, model, {
      alias: target.alias,
      manifest: manifest.digest,
      version: number,
      at: now,
      by: version.by,
      why: version.facts.why,
    })
  }
  return { version: number, registered }
}

async function decideNumber(
  db: Kysely<Tables>,
  { model, manifest, target }: NewVersion,
): Promise<{ number: number; registered: boolean }> {
  const { latest } = await db
    .selectFrom('versions')
    .select((select) => select.fn.max('version').as('latest'))
    .where('model', '=', model)
    .executeTakeFirstOrThrow()
  const next = (latest ?? 0) + 1
  if ('alias' in target) {
    const existing = await newestOf(db, model, manifest.digest)
    return existing === undefined ? { number: next, registered: true } : { number: existing, registered: false }
  }
  if (target.version === next) return { number: next, registered: true }
  const held = await db
    .selectFrom('versions')
    .select(['manifest', 'deleted_at'])
    .where('model', '=', model)
    .where('version', '=', target.version)
    .executeTakeFirst()
  const deleted = held !== undefined && held.deleted_at !== null
  if (held?.manifest === manifest.digest && !deleted) return { number: target.version, registered: false }
  const found = held === undefined ? 'is not the next' : deleted ? 'was deleted' : 'holds another manifest'
  throw new SelvedgeError('DENIED', `${model}: version ${target.version} ${found}; the next version is ${next}`, {
    nextVersion: next,
  })
}

async function insertVersion(
  db: Kysely<Tables>,
  { model, manifest, facts }: NewVersion,
  version: number,
  now: string,
): Promise<void> {
  await db
    .insertInto('models')
    .values({ name: model, created_at: now, tags: '{}' })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  if (facts.spec !== undefined) {
    await db
      .insertInto('profile_specs')
      .values({ digest: facts.spec.digest, spec: JSON.stringify(facts.spec.spec) })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
  await db
    .insertInto('versions')
    .values({
      model,
      version,
      manifest: manifest.digest,
      size_bytes: facts.sizeBytes,
      created_at: now,
      tags: JSON.stringify(facts.tags),
      why: facts.why ?? null,
      description: JSON.stringify(facts.description ?? null),
      plan: JSON.stringify(facts.plan ?? null),
      spec: facts.spec?.digest ?? null,
      deleted_at: null,
      probe: facts.probe === undefined ? null : JSON.stringify(facts.probe),
    })
    .execute()
}

async function tellVersion(db: Kysely<Tables>, { model, manifest }: NewVersion, version: number, at: string) {
  const about = { model }
  if (version === 1) await appendEvent(db, { type: 'model.registered', at, about, data: { model } })
  const data = { model, version, manifest: manifest.digest }
  await appendEvent(db, { type: 'version.registered', at, about, subject: String(version), data })
}

async function newestOf(db: Kysely<Tables>, model: string, manifest: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('versions')
    .select('version')
    .where('model', '=', model)
    .where('manifest', '=', manifest)
    .where('deleted_at', 'is', null)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.version
}

// Each with its newest version.
function selectModels(db: Kysely<Tables>) {
  return db
    .selectFrom('models')
    .innerJoin('versions', 'versions.model', 'models.name')
    .select(['models.name', 'models.created_at', 'models.tags', 'versions.version as latest'])
    .where('versions.version', '=', (newest) =>
      newest
        .selectFrom('versions as others')
        .select((select) => select.fn.max('others.version').as('version'))
        .whereRef('others.model', '=', 'models.name')
        .where('others.deleted_at', 'is', null),
    )
}

function toModel(row: Row<'models'> & { latest: number }): Model {
  return { name: row.name, createdAt: row.created_at, tags: JSON.parse(row.tags), latestVersion: row.latest }
}

function toVersion(row: Row<'versions'>): VersionRecord {
  const { model, version, manifest } = row
  const [description, plan] = [JSON.parse(row.description), JSON.parse(row.plan)]
  return {
    model,
    version,
    manifest,
    sizeBytes: row.size_bytes,
    createdAt: row.created_at,
    tags: JSON.parse(row.tags),
    ...(row.why !== null && { why: row.why }),
    ...(description !== null && { description }),
    hasProfile: plan?.spec !== undefined,
    hasGolden: plan?.golden !== undefined,
    probe: row.probe === null ? { state: 'pending' } : JSON.parse(row.probe),
    ...(plan !== null && { plan: { model, version, manifest, ...plan } }),
  }
}
