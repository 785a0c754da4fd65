/**
 * Units that tell more than a person does: a program's events say nothing of people (Statsig finds up to half of all
 * exposures to be of such), so that no statistic has them.
 */
import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import type { Tables } from './tables.ts'

/** Outcomes of a unit in one UTC day, one a minute: with one more it is busy, on its endpoint and from then on. */
const mostOutcomes = 100

/** The report without events of units that are busy. Their earlier ones stay, for whoever wants to know why. */
export async function withoutBusy<Report extends TelemetryReport>(db: Kysely<Tables>, report: Report): Promise<Report> {
  const { endpoint, exposures, outcomes } = report
  const units = new Set([...exposures, ...outcomes].map(({ unit }) => unit))
  if (units.size === 0) return report
  const rows = await db
    .selectFrom('busy_units')
    .select('unit')
    .where('endpoint', '=', endpoint)
    .where('unit', 'in', [...units])
    .execute()
  if (rows.length === 0) return report
  const busy = new Set(rows.map(({ unit }) => unit))
  const isLeft = ({ unit }: { unit: string }) => !busy.has(unit)
  return { ...report, exposures: exposures.filter(isLeft), outcomes: outcomes.filter(isLeft) }
}

/** Notes units that became busy by these outcomes, which are written: so that it does not matter in which order they came. */
export async function noteBusy(db: Kysely<Tables>, { endpoint, outcomes }: TelemetryReport): Promise<void> {
  const days = new Map(outcomes.map(({ unit, at }) => [`${at.slice(0, 10)} ${unit}`, { unit, day: at.slice(0, 10) }]))
  for (const { unit, day } of days.values()) {
    await sql`
      INSERT INTO busy_units (endpoint, unit, day) SELECT ${endpoint}, ${unit}, ${day}
      WHERE (
        SELECT count(*) FROM outcomes
        WHERE endpoint = ${endpoint} AND unit = ${unit} AND window >= ${`${day}T`} AND window < ${`${day}U`}
      ) > ${mostOutcomes} ON CONFLICT DO NOTHING`.execute(db)
  }
}

/** That a unit, a column or a value, is not busy. */
export function isNotBusy(endpoint: string, unit: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`NOT EXISTS (SELECT 1 FROM busy_units b WHERE b.endpoint = ${endpoint} AND b.unit = ${unit})`
}
