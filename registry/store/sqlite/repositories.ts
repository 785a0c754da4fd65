/** Repositories in SQLite. */
import type { Kysely } from 'kysely'
import type { ManifestRecord, Repositories } from '../store.ts'
import type { Row, Tables } from './tables.ts'

export function openRepositories(db: Kysely<Tables>): Repositories {
  return {
    async blob(repository, digest) {
      const row = await db
        .selectFrom('repository_blobs')
        .innerJoin('blobs', 'blobs.digest', 'repository_blobs.digest')
        .select(['blobs.digest', 'blobs.size', 'blobs.chunks', 'blobs.corrupt_at'])
        .where('repository_blobs.repository', '=', repository)
        .where('repository_blobs.digest', '=', digest)
        .executeTakeFirst()
      if (row === undefined) return undefined
      return { digest: row.digest, size: row.size, chunks: JSON.parse(row.chunks), corrupt: row.corrupt_at !== null }
    },
    async addBlob(repository, { digest, size, chunks }, now) {
      await db.transaction().execute(async (tx) => {
        await tx
          .insertInto('blobs')
          .values({ digest, size, chunks: JSON.stringify(chunks), created_at: now, corrupt_at: null })
          .onConflict((conflict) => conflict.column('digest').doUpdateSet({ corrupt_at: null }))
          .execute()
        await tx
          .insertInto('repository_blobs')
          .values({ repository, digest, created_at: now })
          .onConflict((conflict) => conflict.doNothing())
          .execute()
      })
    },
    async markCorrupt(digest, now) {
      await db.updateTable('blobs').set({ corrupt_at: now }).where('digest', '=', digest).execute()
    },
    async openUpload({ id, repository, token = null }, now, most) {
      return await db.transaction().execute(async (tx) => {
        const { open } = await tx
          .selectFrom('uploads')
          .select((select) => select.fn.countAll<number>().as('open'))
          .where('token', 'is', token)
          .executeTakeFirstOrThrow()
        if (open >= most) return false
        const row = { id, repository, token, created_at: now, size: 0, parts: 0, changed_at: now }
        await tx.insertInto('uploads').values(row).execute()
        return true
      })
    },
    async upload({ id, repository, token }) {
      return await db
        .selectFrom('uploads')
        .select(['size', 'parts'])
        .where('id', '=', id)
        .where('repository', '=', repository)
        .where('token', 'is', token ?? null)
        .executeTakeFirst()
    },
    async advanceUpload(id, from, size, now) {
      const result = await db
        .updateTable('uploads')
        .set((set) => ({ size, parts: set('parts', '+', 1), changed_at: now }))
        .where('id', '=', id)
        .where('size', '=', from)
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },
    async closeUpload({ id, repository }) {
      await db.deleteFrom('uploads').where('id', '=', id).where('repository', '=', repository).execute()
    },
    async dropUploads(before) {
      await db.deleteFrom('uploads').where('changed_at', '<', before).execute()
    },
    async isOpen(id) {
      return (await db.selectFrom('uploads').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
    },
    async addManifest(repository, manifest, tag, now) {
      await db.transaction().execute(async (tx) => {
        await insertManifest(tx, repository, manifest, now)
        if (tag !== undefined) await moveAlias(tx, repository, { alias: tag, manifest: manifest.digest }, now)
      })
    },
    async manifest(repository, reference) {
      const digest = 'digest' in reference ? reference.digest : await taggedDigest(db, repository, reference.tag)
      if (digest === undefined) return undefined
      const row = await db
        .selectFrom('manifests')
        .select(['digest', 'media_type', 'bytes'])
        .where('repository', '=', repository)
        .where('digest', '=', digest)
        .executeTakeFirst()
      return row && { digest: row.digest, mediaType: row.media_type, bytes: row.bytes }
    },
    async tags(repository, { last, limit }) {
      const aliases = await db
        .selectFrom('aliases')
        .select('alias')
        .where('repository', '=', repository)
        .where('alias', '>', last ?? '')
        .orderBy('alias')
        .limit(limit)
        .execute()
      const versions = await db.selectFrom('versions').select('version').where('model', '=', repository).execute()
      const numbers = versions.map((row) => String(row.version)).filter((number) => number > (last ?? ''))
      const tags = [...new Set([...aliases.map((row) => row.alias), ...numbers])].sort().slice(0, limit)
      if (tags.length > 0 || (await holdsAnything(db, repository))) return tags
      return undefined
    },
  }
}

export async function insertManifest(
  db: Kysely<Tables>,
  repository: string,
  { digest, mediaType, bytes }: ManifestRecord,
  now: string,
): Promise<void> {
  await db
    .insertInto('manifests')
    .values({ repository, digest, media_type: mediaType, bytes, created_at: now })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function moveAlias(
  db: Kysely<Tables>,
  repository: string,
  { alias, manifest, version }: { alias: string; manifest: string; version?: number },
  now: string,
): Promise<void> {
  const target: Pick<Row<'aliases'>, 'manifest' | 'version' | 'moved_at'> = {
    manifest,
    version: version ?? null,
    moved_at: now,
  }
  await db
    .insertInto('aliases')
    .values({ repository, alias, ...target })
    .onConflict((conflict) => conflict.columns(['repository', 'alias']).doUpdateSet(target))
    .execute()
}

// A version's number comes before a plain tag of the same digits, which can only be older.
async function taggedDigest(db: Kysely<Tables>, repository: string, tag: string): Promise<string | undefined> {
  if (/^[1-9][0-9]{0,14}$/.test(tag)) {
    const version = await db
      .selectFrom('versions')
      .select('manifest')
      .where('model', '=', repository)
      .where('version', '=', Number(tag))
      .executeTakeFirst()
    if (version !== undefined) return version.manifest
  }
  const alias = await db
    .selectFrom('aliases')
    .select('manifest')
    .where('repository', '=', repository)
    .where('alias', '=', tag)
    .executeTakeFirst()
  return alias?.manifest
}

async function holdsAnything(db: Kysely<Tables>, repository: string): Promise<boolean> {
  for (const table of ['manifests', 'repository_blobs'] as const) {
    const row = await db
      .selectFrom(table)
      .select('digest')
      .where('repository', '=', repository)
      .limit(1)
      .executeTakeFirst()
    if (row !== undefined) return true
  }
  return false
}
