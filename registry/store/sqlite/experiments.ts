/** Units of experiments in SQLite: summed where they lie. */
import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { ArmUnits, Experiments, SplitSpan } from '../experiments.ts'
import type { Tables } from './tables.ts'

/** Days before a unit came, whose outcomes tell how it is by itself. */
const daysBefore = 14

export function openExperiments(db: Kysely<Tables>): Experiments {
  return {
    async splits(endpoint, from, to) {
      const rows = await db
        .selectFrom('splits')
        .select(['revision', 'at', 'salt', 'ranges'])
        .where('endpoint', '=', endpoint)
        .where('number', '=', sql<number>`(SELECT number FROM endpoints WHERE name = ${endpoint})`)
        .where('at', '<', to)
        .orderBy('id')
        .execute()
      return rows.flatMap(({ revision, at, salt, ranges }, i): SplitSpan[] => {
        const end = rows[i + 1]?.at ?? to
        const [, start = at] = [at, from].toSorted()
        return start < end ? [{ revision, from: start, to: end, salt, ranges: JSON.parse(ranges) }] : []
      })
    },
    async arms(endpoint, outcome, { revision, from, to }) {
      const path = `$.${JSON.stringify(outcome)}`
      // +at: a unit has few rows, and the index by time would lead through those of all others.
      const own = outcomeOf(endpoint, path, sql`+o.at >= f.at`)
      const before = outcomeOf(
        endpoint,
        path,
        sql`+o.at < f.at AND +o.at >= strftime('%Y-%m-%dT%H:%M:%fZ', f.at, ${`-${daysBefore} days`})`,
      )
      const { rows } = await sql<Found>`
        SELECT deployment, count(*) AS units, sum(y IS NOT NULL) AS told, sum(is_new) AS new_units,
          total(y) AS y, total(y * y) AS yy, total(y * y * y) AS yyy,
          total(x) AS x, total(x * x) AS xx, total(x * y) AS xy
        FROM (
          SELECT f.deployment, f.is_new, ${own} AS y, ${before} AS x FROM (
            SELECT unit, deployment, min(at) AS at, NOT EXISTS (
              SELECT 1 FROM exposures p WHERE p.endpoint = e.endpoint AND p.unit = e.unit AND p.revision < ${revision}
            ) AS is_new
            FROM exposures e
            WHERE endpoint = ${endpoint} AND revision = ${revision} AND at >= ${from} AND at < ${to} GROUP BY unit
          ) f
        ) GROUP BY deployment ORDER BY deployment`.execute(db)
      return rows.map(
        ({ deployment, told, new_units: newUnits, ...sums }): ArmUnits => ({ deployment, told, newUnits, sums }),
      )
    },
  }
}

interface Found {
  deployment: string
  units: number
  told: number
  new_units: number
  y: number
  yy: number
  yyy: number
  x: number
  xx: number
  xy: number
}

/** Of a unit's outcomes that hold the value: whether one of them is true, or their sum; NULL where there is none. */
function outcomeOf(endpoint: string, path: string, when: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(
    SELECT CASE WHEN max(json_type(o.body, ${path}) IN ('true', 'false')) THEN max(json_extract(o.body, ${path}))
      ELSE sum(json_extract(o.body, ${path})) END
    FROM outcomes o WHERE o.endpoint = ${endpoint} AND o.unit = f.unit AND ${when}
      AND json_type(o.body, ${path}) IN ('true', 'false', 'integer', 'real')
  )`
}
