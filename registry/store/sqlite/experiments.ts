/** Units of experiments in SQLite: a page of them at a time, each with its exposures and outcomes. */
import { type Kysely, sql } from 'kysely'
import type { Experiments, ExperimentUnit, SplitSpan } from '../experiments.ts'
import { isNotBusy } from './busy-units.ts'
import { toldAt } from './outcome.ts'
import type { Tables } from './tables.ts'

/** In which names are looked for. */
const latestOutcomes = 2000
/** Of those that most units told: any page may tell of any name. */
const mostNames = 50

export function openExperiments(db: Kysely<Tables>): Experiments {
  return {
    async splits(endpoint, to) {
      const rows = await db
        .selectFrom('splits')
        .select(['revision', 'at', 'salt', 'ranges'])
        .where('endpoint', '=', endpoint)
        .where('number', '=', sql<number>`(SELECT number FROM endpoints WHERE name = ${endpoint})`)
        .where('at', '<', to)
        .orderBy('id')
        .execute()
      return rows.map(
        ({ revision, at, salt, ranges }, i): SplitSpan => ({
          revision,
          from: at,
          to: rows[i + 1]?.at ?? to,
          salt,
          ranges: JSON.parse(ranges),
        }),
      )
    },
    async outcomes(endpoint) {
      const { rows } = await sql<{ name: string }>`
        SELECT j.key AS name FROM (
          SELECT unit, body FROM outcomes WHERE endpoint = ${endpoint} AND ${isNotBusy(endpoint, sql.ref('outcomes.unit'))}
          ORDER BY at DESC LIMIT ${latestOutcomes}
        ) o, json_each(o.body) j WHERE j.type IN ('true', 'false', 'integer', 'real')
        GROUP BY j.key ORDER BY count(DISTINCT o.unit) DESC, j.key LIMIT ${mostNames}`.execute(db)
      return rows.map(({ name }) => name)
    },
    async units(endpoint, { outcomes: names, to, after, limit }) {
      const page = await db
        .selectFrom('exposures')
        .select('unit')
        .distinct()
        .where('endpoint', '=', endpoint)
        .where('unit', '>', after)
        .where(isNotBusy(endpoint, sql.ref('exposures.unit')))
        .orderBy('unit')
        .limit(limit)
        .execute()
      const last = page.at(-1)?.unit
      if (last === undefined) return []
      const units = new Map(
        page.map(({ unit }): [string, ExperimentUnit] => [unit, { unit, exposures: [], outcomes: [] }]),
      )
      // +at: the index by time would lead through those of all other units.
      const exposures = await sql<{ unit: string; at: string; deployment: string; revision: number }>`
        SELECT unit, at, deployment, revision FROM exposures
        WHERE endpoint = ${endpoint} AND unit > ${after} AND unit <= ${last} AND +at < ${to}
        ORDER BY unit, +at, revision, deployment`.execute(db)
      for (const { unit, ...exposure } of exposures.rows) units.get(unit)?.exposures.push(exposure)
      if (names.length === 0) return [...units.values()]
      const told = await sql<{ unit: string; at: string; name: string; type: string; value: number }>`
        SELECT o.unit, ${toldAt('o', sql`j.key`)} AS at, j.key AS name, j.type, j.value FROM outcomes o, json_each(o.body) j
        WHERE o.endpoint = ${endpoint} AND o.unit > ${after} AND o.unit <= ${last} AND +o.at < ${to}
          AND j.key IN (${sql.join([...names])}) AND j.type IN ('true', 'false', 'integer', 'real')
        ORDER BY o.unit, 2, 3`.execute(db)
      for (const { unit, at, name, type, value } of told.rows) {
        const isTruth = type === 'true' || type === 'false'
        units.get(unit)?.outcomes.push({ at, name, value: isTruth ? type === 'true' : value })
      }
      return [...units.values()]
    },
  }
}
