/** Repositories in SQLite. */
import { type Kysely, sql } from 'kysely'
import type { Repositories, Upload } from '../store.ts'
import { moveAlias } from './aliases.ts'
import { openGarbage } from './garbage.ts'
import { insertManifest, selectManifest, selectReferrers, selectTags } from './manifests.ts'
import { removeBlob, removeManifest, removeTag, removeVersion } from './removal.ts'
import type { Tables } from './tables.ts'

export function openRepositories(db: Kysely<Tables>): Repositories {
  return {
    async blob(repository, digest) {
      const row = await db
        .selectFrom('repository_blobs')
        .innerJoin('blobs', 'blobs.digest', 'repository_blobs.digest')
        .select(['blobs.digest', 'blobs.size', 'blobs.chunks', 'blobs.corrupt_at', 'repository_blobs.pinned_at'])
        .where('repository_blobs.repository', '=', repository)
        .where('repository_blobs.digest', '=', digest)
        .executeTakeFirst()
      if (row === undefined) return undefined
      const { size, chunks, corrupt_at, pinned_at: pinnedAt } = row
      return { digest, size, chunks: JSON.parse(chunks), corrupt: corrupt_at !== null, pinnedAt }
    },
    async addBlob(repository, { digest, size, chunks }, now, upload) {
      await db.transaction().execute(async (tx) => {
        await tx
          .insertInto('blobs')
          .values({ digest, size, chunks: JSON.stringify(chunks), created_at: now, corrupt_at: null })
          .onConflict((conflict) => conflict.column('digest').doUpdateSet({ corrupt_at: null }))
          .execute()
        await holdBlob(tx, repository, digest, now)
        if (upload !== undefined) await deleteUpload(tx, upload)
      })
    },
    async mountBlob(repository, from, digest, now) {
      return await db.transaction().execute(async (tx) => {
        const found = await tx
          .selectFrom('repository_blobs')
          .innerJoin('blobs', 'blobs.digest', 'repository_blobs.digest')
          .select('blobs.digest')
          .where('repository_blobs.repository', '=', from)
          .where('repository_blobs.digest', '=', digest)
          .where('blobs.corrupt_at', 'is', null)
          .executeTakeFirst()
        if (found === undefined) return false
        await holdBlob(tx, repository, digest, now)
        return true
      })
    },
    async pinBlob(repository, digest, now) {
      const result = await db
        .updateTable('repository_blobs')
        .set({ pinned_at: now })
        .where('repository', '=', repository)
        .where('digest', '=', digest)
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },
    ...openGarbage(db),
    async removeBlob(repository, digest, removal) {
      return await db.transaction().execute((tx) => removeBlob(tx, repository, digest, removal))
    },
    async markCorrupt(digest, now) {
      await db.updateTable('blobs').set({ corrupt_at: now }).where('digest', '=', digest).execute()
    },
    async openUpload({ id, repository, token = null }, now, most) {
      return await unsynced(db, async (tx) => {
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
    closeUpload: (upload) => deleteUpload(db, upload),
    async dropUploads(before) {
      await db.deleteFrom('uploads').where('changed_at', '<', before).execute()
    },
    async isOpen(id) {
      return (await db.selectFrom('uploads').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
    },
    async addManifest(repository, manifest, tag, now) {
      await db.transaction().execute(async (tx) => {
        await insertManifest(tx, repository, manifest, now)
        if (tag !== undefined) await moveAlias(tx, repository, { alias: tag, manifest: manifest.digest, at: now })
      })
    },
    async removeManifest(repository, reference, removal) {
      return await db.transaction().execute(async (tx) => {
        if ('digest' in reference) return await removeManifest(tx, repository, reference.digest, removal)
        const { tag } = reference
        if (/^[1-9][0-9]{0,14}$/.test(tag) && (await removeVersion(tx, repository, Number(tag), removal))) return true
        return await removeTag(tx, repository, tag, removal)
      })
    },
    manifest: (repository, reference) => selectManifest(db, repository, reference),
    tags: (repository, page) => selectTags(db, repository, page),
    referrers: (repository, subject, page) => selectReferrers(db, repository, subject, page),
  }
}

// Nothing waits for the disk: the next commit that does takes it along.
async function unsynced<T>(db: Kysely<Tables>, use: (tx: Kysely<Tables>) => Promise<T>): Promise<T> {
  return await db.connection().execute(async (connection) => {
    await sql`PRAGMA synchronous = NORMAL`.execute(connection)
    try {
      return await connection.transaction().execute(use)
    } finally {
      await sql`PRAGMA synchronous = FULL`.execute(connection)
    }
  })
}

async function deleteUpload(db: Kysely<Tables>, { id, repository }: Upload): Promise<void> {
  await db.deleteFrom('uploads').where('id', '=', id).where('repository', '=', repository).execute()
}

// Whoever pushes or mounts a blob again will need it as long as the first time.
async function holdBlob(db: Kysely<Tables>, repository: string, digest: string, now: string): Promise<void> {
  await db
    .insertInto('repository_blobs')
    .values({ repository, digest, pinned_at: now })
    .onConflict((conflict) => conflict.columns(['repository', 'digest']).doUpdateSet({ pinned_at: now }))
    .execute()
}
