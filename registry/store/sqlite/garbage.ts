/** What garbage collection asks and does in SQLite. */
import { type Kysely, sql } from 'kysely'
import type { Repositories } from '../store.ts'
import type { Tables } from './tables.ts'

type Garbage = Pick<Repositories, 'unneededBlobs' | 'letGo' | 'forgetBlob' | 'isKnown'>

export function openGarbage(db: Kysely<Tables>): Garbage {
  return {
    async unneededBlobs(before) {
      return await db
        .selectFrom('blobs')
        .select(['digest', 'size'])
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('repository_blobs as held')
                .select('held.digest')
                .whereRef('held.digest', '=', 'blobs.digest')
                .where(({ or, eb }) => or([eb('held.pinned_at', '>=', before), isNeeded('held')])),
            ),
          ),
        )
        .execute()
    },
    async letGo(before) {
      await db
        .deleteFrom('repository_blobs')
        .where('pinned_at', '<', before)
        .where(({ not }) => not(isNeeded('repository_blobs')))
        .execute()
    },
    async forgetBlob(digest) {
      return await db.transaction().execute(async (tx) => {
        const held = await tx
          .selectFrom('repository_blobs')
          .select('digest')
          .where('digest', '=', digest)
          .limit(1)
          .executeTakeFirst()
        if (held !== undefined) return false
        await tx.deleteFrom('blobs').where('digest', '=', digest).execute()
        return true
      })
    },
    async isKnown(digest) {
      const row = await db.selectFrom('blobs').select('digest').where('digest', '=', digest).executeTakeFirst()
      return row !== undefined
    },
  }
}

function isNeeded(held: string) {
  return sql<boolean>`EXISTS (
    SELECT 1 FROM manifest_blobs AS part
    WHERE part.repository = ${sql.ref(`${held}.repository`)} AND part.digest = ${sql.ref(`${held}.digest`)}
  )`
}
