/** What reports tell of units: exposures, each in the split that dealt the unit, and outcomes. */
import { type Kysely, sql } from 'kysely'
import type { CheckedReport } from '../store.ts'
import { noteBusy, withoutBusy } from './busy-units.ts'
import { writeOutcome } from './outcome.ts'
import type { Tables } from './tables.ts'

/**
 * Kept whether the counts of the report are news or not: a unit is written once however often and in whatever order it is told.
 *
 * @returns how many events it left out
 */
export async function foldUnits(db: Kysely<Tables>, all: CheckedReport): Promise<number> {
  const report = await withoutBusy(db, all)
  const { endpoint, exposures, outcomes } = report
  const splits = new Map<number, number>()
  for (const { unit, deployment, at, prediction, revision: assigned = report.revision } of exposures) {
    const revision = splits.get(assigned) ?? (await splitOf(db, endpoint, assigned))
    splits.set(assigned, revision)
    const told = prediction === undefined ? null : JSON.stringify(prediction)
    await db
      .insertInto('exposures')
      .values({ endpoint, unit, deployment, revision, at, day: at.slice(0, 10), prediction: told })
      .onConflict((conflict) =>
        conflict
          .columns(['endpoint', 'unit', 'day', 'deployment', 'revision'])
          .doUpdateSet({ at: (set) => set.ref('excluded.at'), prediction: (set) => set.ref('excluded.prediction') })
          // The text decides between two at one moment, so that the order of arrival never does.
          .where(
            sql<boolean>`(excluded.at, coalesce(excluded.prediction, '')) < (exposures.at, coalesce(exposures.prediction, ''))`,
          ),
      )
      .execute()
  }
  for (const outcome of outcomes) await writeOutcome(db, endpoint, outcome)
  await noteBusy(db, report)
  return all.exposures.length - exposures.length + all.outcomes.length - outcomes.length
}

// The plan's revision rises with changes that leave the split as it was, too.
async function splitOf(db: Kysely<Tables>, endpoint: string, revision: number): Promise<number> {
  const found = await db
    .selectFrom('splits')
    .select('revision')
    .where('endpoint', '=', endpoint)
    .where('number', '=', sql<number>`(SELECT number FROM endpoints WHERE name = ${endpoint})`)
    .where('revision', '<=', revision)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return found?.revision ?? 0
}
