/** Events in SQLite: appended in the transaction of what they tell. */
import { type Kysely, sql } from 'kysely'
import type { EventType } from '../../../runtime/contract/events.ts'
import type { EventRecord, Events, NewEvent } from '../events.ts'
import type { Row, Tables } from './tables.ts'

export function openEvents(db: Kysely<Tables>): Events {
  return {
    append: (event) => appendEvent(db, event),
    async events({ after, endpoint, type, limit }) {
      let query = db.selectFrom('events').selectAll().where('id', '>', after).orderBy('id').limit(limit)
      if (endpoint !== undefined) query = query.where('endpoint', '=', endpoint)
      if (type !== undefined) query = query.where('type', '=', type)
      return (await query.execute()).map(toEvent)
    },
    newest: () => newestEvent(db),
    async drop(before) {
      await db.deleteFrom('events').where('at', '<', before).execute()
    },
  }
}

/** @param db - the transaction in which it happens */
export async function appendEvent(db: Kysely<Tables>, { type, at, about, subject, data }: NewEvent): Promise<void> {
  const endpoint = 'endpoint' in about ? about.endpoint : null
  const model = 'model' in about ? about.model : null
  const webhook = 'webhook' in about ? about.webhook : null
  await db
    .insertInto('events')
    .values({ type, at, endpoint, model, webhook, subject: subject ?? null, data: JSON.stringify(data) })
    .execute()
}

export async function newestEvent(db: Kysely<Tables>): Promise<number> {
  // The table may be empty while its numbers go on.
  const { rows } = await sql<{ seq: number }>`SELECT seq FROM sqlite_sequence WHERE name = 'events'`.execute(db)
  return rows[0]?.seq ?? 0
}

function toEvent({ id, type, at, endpoint, model, webhook, subject, data }: Row<'events'>): EventRecord {
  return {
    id,
    type: type as EventType,
    at,
    about: endpoint !== null ? { endpoint } : webhook !== null ? { webhook } : { model: model ?? '' },
    ...(subject !== null && { subject }),
    data: JSON.parse(data),
  }
}
