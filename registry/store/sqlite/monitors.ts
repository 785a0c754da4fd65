/** Monitors in SQLite: one row each, in the life of an endpoint in which they were made. */
import type { Kysely } from 'kysely'
import type { Monitor } from '../../../runtime/contract/monitor.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Monitors, PastBaseline } from '../store.ts'
import { dropLooks } from './looks.ts'
import type { Row, Tables } from './tables.ts'

export function openMonitors(db: Kysely<Tables>): Monitors {
  return {
    async monitor(endpoint, name) {
      const row = await ofEndpoint(db, endpoint).where('monitors.name', '=', name).executeTakeFirst()
      return row && toMonitor(row)
    },
    async monitors(endpoint) {
      return (await ofEndpoint(db, endpoint).orderBy('monitors.name').execute()).map(toMonitor)
    },
    async past(endpoint, name, { deployment, version, spec }) {
      const row = await ofEndpoint(db, endpoint).select('past').where('monitors.name', '=', name).executeTakeFirst()
      const all = JSON.parse(row?.past ?? '[]') as PastBaseline[]
      return all.find((each) => each.deployment === deployment && each.version === version && each.spec === spec)
        ?.counts
    },
    async put(endpoint, { name, ...body }, past = []) {
      return await db.transaction().execute(async (tx) => {
        await demandWebhooks(tx, name, body.tell ?? [])
        const held = await ofEndpoint(tx, endpoint).where('monitors.name', '=', name).executeTakeFirst()
        const told = { body: JSON.stringify(body), past: JSON.stringify(past) }
        const { number } = await tx
          .selectFrom('endpoints')
          .select('number')
          .where('name', '=', endpoint)
          .executeTakeFirstOrThrow()
        await tx
          .insertInto('monitors')
          .values({ endpoint, number, name, ...told })
          .onConflict((conflict) => conflict.columns(['endpoint', 'number', 'name']).doUpdateSet(told))
          .execute()
        return held === undefined
      })
    },
    async remove(endpoint, name) {
      return await db.transaction().execute(async (tx) => {
        const gone = await tx
          .deleteFrom('monitors')
          .where('endpoint', '=', endpoint)
          .where('name', '=', name)
          .where('number', '=', (select) =>
            select.selectFrom('endpoints').select('endpoints.number').where('endpoints.name', '=', endpoint),
          )
          .returning('number')
          .executeTakeFirst()
        if (gone !== undefined) await dropLooks(tx, endpoint, gone.number, name)
        return gone !== undefined
      })
    },
  }
}

async function demandWebhooks(db: Kysely<Tables>, monitor: string, named: readonly string[]): Promise<void> {
  for (const name of named) {
    const row = await db.selectFrom('webhooks').select('name').where('name', '=', name).executeTakeFirst()
    if (row !== undefined) continue
    throw new SelvedgeError('MONITOR_REFUSED', `monitor ${monitor} tells webhook ${name}, which is not there`)
  }
}

function ofEndpoint(db: Kysely<Tables>, endpoint: string) {
  return db
    .selectFrom('monitors')
    .innerJoin('endpoints', (join) =>
      join.onRef('endpoints.name', '=', 'monitors.endpoint').onRef('endpoints.number', '=', 'monitors.number'),
    )
    .select(['monitors.name', 'monitors.body'])
    .where('monitors.endpoint', '=', endpoint)
}

function toMonitor({ name, body }: Pick<Row<'monitors'>, 'name' | 'body'>): Monitor {
  return { name, ...JSON.parse(body) }
}
