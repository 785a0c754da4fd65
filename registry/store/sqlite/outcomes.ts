/** Outcomes in SQLite, joined with predictions by the HMAC of the unit. */
import { type Kysely, sql } from 'kysely'
import type { CellPrediction } from '../../../runtime/contract/telemetry.ts'
import type { Joined, Outcomes } from '../joined.ts'
import { isNotBusy } from './busy-units.ts'
import { toldAt } from './outcome.ts'
import type { Tables } from './tables.ts'

interface Found {
  unit: string
  at: string
  body: string
  /** JSON of its last exposure: deployment and prediction. */
  exposed: string | null
}

export function openOutcomes(db: Kysely<Tables>): Outcomes {
  return {
    async joined(endpoint, { outcome, deployment, version, spec, from, to, before, limit }) {
      const place = before ?? { at: to, unit: '' }
      // The limit comes before the join, so that a page costs as much whatever it finds; +at keeps the planner from the index
      // by time, under which it would pass all units.
      const { rows } = await sql<Found>`
        SELECT o.unit, o.at, o.body, (
          SELECT json_array(deployment, json(prediction)) FROM exposures
          WHERE endpoint = ${endpoint} AND unit = o.unit AND +at <= ${toldAt('o', sql`${outcome}`)}
          ORDER BY day DESC, +at DESC, deployment LIMIT 1
        ) AS exposed FROM (
          SELECT unit, at, body, times FROM outcomes
          WHERE endpoint = ${endpoint} AND at >= ${from} AND at <= ${place.at} AND (at, unit) < (${place.at}, ${place.unit})
            AND ${isNotBusy(endpoint, sql.ref('outcomes.unit'))}
          ORDER BY at DESC, unit DESC LIMIT ${limit}
        ) o ORDER BY o.at DESC, o.unit DESC`.execute(db)
      const last = rows.length === limit ? rows.at(-1) : undefined
      return {
        rows: rows.flatMap((row): Joined[] => {
          const [by, told] = (row.exposed === null ? [] : JSON.parse(row.exposed)) as [
            string?,
            (CellPrediction | null)?,
          ]
          const isAsked = by === deployment && told?.version === version && told.spec === spec
          return isAsked ? [{ unit: row.unit, at: row.at, cells: told.cells, values: JSON.parse(row.body) }] : []
        }),
        ...(last && { next: { at: last.at, unit: last.unit } }),
      }
    },
  }
}
