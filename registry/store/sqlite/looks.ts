/** Looks in SQLite: reports are compressed, the last hundred of a monitor and deployment are kept whole. */
import { promisify } from 'node:util'
import { gunzipSync, gzip } from 'node:zlib'
import { type Kysely, sql } from 'kysely'
import type { AlarmState, Looked, Looks, PastLook } from '../looks.ts'
import { appendEvent } from './events.ts'
import type { Row, Tables } from './tables.ts'

const compress = promisify(gzip)

/** A monitor's life. */
const keptLooks = 1000
const keptReports = 100

export function openLooks(db: Kysely<Tables>): Looks {
  return {
    async record({ report, ...look }, rule) {
      const packed = await compress(JSON.stringify(report))
      return await db.transaction().execute(async (tx) => {
        const number = await numberOf(tx, look.endpoint)
        const last = await selectLooks(tx, look).orderBy('at', 'desc').limit(1).executeTakeFirst()
        if (number === undefined || (last !== undefined && last.at >= look.at)) return false
        const { summary, ...row } = look
        await tx
          .insertInto('looks')
          .values({ ...row, number, summary: JSON.stringify(summary), report: packed })
          .execute()
        const { states, events } = rule(await selectStates(tx, look.endpoint, look))
        await replaceStates(tx, look, number, states)
        for (const event of events) await appendEvent(tx, event)
        await forget(tx, look, number)
        return true
      })
    },
    async end({ version, ...looked }, rule) {
      await db.transaction().execute(async (tx) => {
        const number = await numberOf(tx, looked.endpoint)
        const states = await selectStates(tx, looked.endpoint, looked)
        const ended = states.filter((state) => state.version === version)
        if (number === undefined || ended.length === 0) return
        const left = states.filter((state) => state.version !== version)
        await replaceStates(tx, looked, number, left)
        for (const event of rule(ended)) await appendEvent(tx, event)
      })
    },
    async last(looked, at) {
      let query = selectLooks(db, looked).orderBy('at', 'desc').limit(1)
      if (at !== undefined) query = query.where('at', '<=', at)
      const row = await query.executeTakeFirst()
      return row && toLook(row)
    },
    async looks(looked, { before, limit }) {
      let query = selectLooks(db, looked).orderBy('at', 'desc').limit(limit)
      if (before !== undefined) query = query.where('at', '<', before)
      return (await query.execute()).map(toLook)
    },
    async report(looked, at) {
      const row = await selectLooks(db, looked).select('report').where('at', '=', at).executeTakeFirst()
      return row?.report ? JSON.parse(gunzipSync(row.report).toString()) : undefined
    },
    states: (endpoint) => selectStates(db, endpoint),
  }
}

/** What a monitor saw and said goes with it. */
export async function dropLooks(db: Kysely<Tables>, endpoint: string, number: number, monitor: string): Promise<void> {
  for (const table of ['looks', 'alarms'] as const) {
    await db
      .deleteFrom(table)
      .where('endpoint', '=', endpoint)
      .where('number', '=', number)
      .where('monitor', '=', monitor)
      .execute()
  }
}

async function numberOf(db: Kysely<Tables>, endpoint: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('endpoints')
    .select('number')
    .where('name', '=', endpoint)
    .where('removed_at', 'is', null)
    .executeTakeFirst()
  return row?.number
}

// Of the endpoint as it is now.
function selectLooks(db: Kysely<Tables>, { endpoint, monitor, deployment }: Looked) {
  return db
    .selectFrom('looks')
    .select(['endpoint', 'monitor', 'deployment', 'version', 'at', 'verdict', 'summary'])
    .where('endpoint', '=', endpoint)
    .where('number', '=', (select) => select.selectFrom('endpoints').select('number').where('name', '=', endpoint))
    .where('monitor', '=', monitor)
    .where('deployment', '=', deployment)
}

async function selectStates(db: Kysely<Tables>, endpoint: string, only?: Looked): Promise<AlarmState[]> {
  let query = db
    .selectFrom('alarms')
    .select(['endpoint', 'monitor', 'deployment', 'version', 'part', 'state', 'since'])
    .where('endpoint', '=', endpoint)
    .where('number', '=', (select) => select.selectFrom('endpoints').select('number').where('name', '=', endpoint))
    .orderBy('monitor')
    .orderBy('deployment')
    .orderBy('part')
  if (only !== undefined) query = query.where('monitor', '=', only.monitor).where('deployment', '=', only.deployment)
  const rows = await query.execute()
  return rows.map((row) => ({ ...row, state: row.state === 'alarm' ? 'alarm' : 'calm' }))
}

async function replaceStates(
  db: Kysely<Tables>,
  { endpoint, monitor, deployment }: Looked,
  number: number,
  states: readonly AlarmState[],
): Promise<void> {
  await db
    .deleteFrom('alarms')
    .where('endpoint', '=', endpoint)
    .where('number', '=', number)
    .where('monitor', '=', monitor)
    .where('deployment', '=', deployment)
    .execute()
  for (const state of states)
    await db
      .insertInto('alarms')
      .values({ ...state, number })
      .execute()
}

async function forget(db: Kysely<Tables>, looked: Looked, number: number): Promise<void> {
  const { endpoint, monitor, deployment } = looked
  const nth = (place: number) => selectLooks(db, looked).clearSelect().select('at').orderBy('at', 'desc').offset(place)
  const those = sql`endpoint = ${endpoint} AND number = ${number} AND monitor = ${monitor} AND deployment = ${deployment}`
  const whole = await nth(keptReports).limit(1).executeTakeFirst()
  if (whole === undefined) return
  await sql`UPDATE looks SET report = NULL WHERE ${those} AND at <= ${whole.at} AND report IS NOT NULL`.execute(db)
  const any = await nth(keptLooks).limit(1).executeTakeFirst()
  if (any !== undefined) await sql`DELETE FROM looks WHERE ${those} AND at <= ${any.at}`.execute(db)
}

function toLook({ summary, ...row }: Omit<Row<'looks'>, 'number' | 'report'>): PastLook {
  return { ...row, summary: JSON.parse(summary) }
}
