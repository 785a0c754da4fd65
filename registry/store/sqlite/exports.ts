/** Exports in SQLite: a minute's reports, or a page of units, at a time. */
import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import type { Exports } from '../exports.ts'
import type { Tables } from './tables.ts'

export function openExports(db: Kysely<Tables>): Exports {
  return {
    async minutes(endpoint, { from, to }) {
      const rows = await db
        .selectFrom('profiles')
        .select('window')
        .distinct()
        .where('endpoint', '=', endpoint)
        .where('window', '>=', from)
        .where('window', '<', to)
        .orderBy('window')
        .execute()
      return rows.map(({ window }) => window)
    },
    async profiles(endpoint, minute) {
      const rows = await db
        .selectFrom('profiles')
        .select(['deployment', 'version', 'spec', 'variant', 'provider', 'device', 'counts', 'outputs'])
        .where('endpoint', '=', endpoint)
        .where('window', '=', minute)
        .execute()
      return rows.map(({ counts, outputs, ...row }) => ({
        ...row,
        counts: JSON.parse(counts),
        outputs: JSON.parse(outputs),
      }))
    },
    async exposures(endpoint, { from, to, after, limit }) {
      const rows = await db
        .selectFrom('exposures')
        .select(['unit', 'day', 'deployment', 'revision', 'at', 'prediction'])
        .where('endpoint', '=', endpoint)
        .where('at', '>=', from)
        .where('at', '<', to)
        .$if(after !== undefined, (query) =>
          query.where(
            sql<boolean>`(unit, day, deployment, revision) >
              (${after?.unit ?? ''}, ${after?.day ?? ''}, ${after?.deployment ?? ''}, ${after?.revision ?? 0})`,
          ),
        )
        .orderBy('unit')
        .orderBy('day')
        .orderBy('deployment')
        .orderBy('revision')
        .limit(limit)
        .execute()
      return rows.map(({ prediction, ...row }) => ({
        ...row,
        ...(prediction !== null && { prediction: JSON.parse(prediction) }),
      }))
    },
  }
}
