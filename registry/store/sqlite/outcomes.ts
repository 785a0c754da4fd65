/** Outcomes in SQLite, joined with predictions by the HMAC of the unit. */
import { type Kysely, sql } from 'kysely'
import type { CellPrediction } from '../../../runtime/contract/telemetry.ts'
import type { Joined, Outcomes } from '../joined.ts'
import type { Tables } from './tables.ts'

interface Found {
  unit: string
  at: string
  body: string
  deployment: string
  prediction: string | null
}

export function openOutcomes(db: Kysely<Tables>): Outcomes {
  return {
    async joined(endpoint, value, { deployment, version, spec, from, to, limit }) {
      // json_type takes no name with a quote: one of the values is looked for by itself.
      const { rows } = await sql<Found>`
        SELECT o.unit, max(o.at) AS at, o.body, e.deployment, e.prediction
        FROM outcomes o
        JOIN exposures e ON e.endpoint = o.endpoint AND e.unit = o.unit AND e.at = (
          SELECT max(last.at) FROM exposures last WHERE last.endpoint = o.endpoint AND last.unit = o.unit AND last.at <= o.at
        )
        WHERE o.endpoint = ${endpoint} AND o.at >= ${from} AND o.at < ${to} AND e.deployment = ${deployment}
          AND EXISTS (SELECT 1 FROM json_each(o.body) WHERE key = ${value})
        GROUP BY o.unit, substr(o.at, 1, 10)
        ORDER BY at, o.unit LIMIT ${limit}`.execute(db)
      return rows.flatMap(({ unit, at, body, prediction }): Joined[] => {
        const told = prediction === null ? undefined : (JSON.parse(prediction) as CellPrediction)
        const isAsked = told?.version === version && told.spec === spec
        return isAsked ? [{ unit, at, cells: told.cells, values: JSON.parse(body) }] : []
      })
    },
  }
}
