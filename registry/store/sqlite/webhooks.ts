/** Webhooks in SQLite. */
import { type Kysely, sql } from 'kysely'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { WebhookRecord, Webhooks } from '../webhooks.ts'
import { appendEvent, newestEvent } from './events.ts'
import type { Row, Tables } from './tables.ts'

const mostWebhooks = 100

export function openWebhooks(db: Kysely<Tables>): Webhooks {
  return {
    async put({ name, url, events, secret }, now) {
      return await db.transaction().execute(async (tx) => {
        const told = { url, events: JSON.stringify(events), secret }
        const again = { failures: 0, failing_since: null, due_at: 0, paused_at: null }
        const changed = await tx
          .updateTable('webhooks')
          .set((row) => ({ ...told, ...again, changes: row('changes', '+', 1) }))
          .where('name', '=', name)
          .returningAll()
          .executeTakeFirst()
        if (changed !== undefined) return { webhook: toWebhook(changed), made: false }
        const { number } = await tx
          .selectFrom('webhooks')
          .select((select) => select.fn.countAll<number>().as('number'))
          .executeTakeFirstOrThrow()
        if (number >= mostWebhooks) {
          throw new SelvedgeError('IN_USE', `there are ${mostWebhooks} webhooks, the most there can be`)
        }
        const made = await tx
          .insertInto('webhooks')
          .values({ name, ...told, ...again, created_at: now, cursor: await newestEvent(tx), changes: 0 })
          .returningAll()
          .executeTakeFirstOrThrow()
        return { webhook: toWebhook(made), made: true }
      })
    },
    async webhooks() {
      return (await db.selectFrom('webhooks').selectAll().orderBy('name').execute()).map(toWebhook)
    },
    async isCurrent({ name, changes, secret }) {
      const row = await db
        .selectFrom('webhooks')
        .select(['changes', 'secret'])
        .where('name', '=', name)
        .executeTakeFirst()
      return row?.changes === changes && row.secret === secret
    },
    async note({ name, changes, secret }, { cursor, failures, failingSince, dueAt, pausedAt }, event) {
      return await db.transaction().execute(async (tx) => {
        const row = await tx
          .updateTable('webhooks')
          .set({
            cursor,
            failures,
            failing_since: failingSince ?? null,
            due_at: dueAt,
            paused_at: pausedAt ?? null,
            changes: changes + 1,
          })
          .where('name', '=', name)
          .where('changes', '=', changes)
          // One that was made again counts its changes from 0 too.
          .where('secret', '=', secret)
          .returningAll()
          .executeTakeFirst()
        if (row === undefined) return undefined
        if (event !== undefined) await appendEvent(tx, event)
        return toWebhook(row)
      })
    },
    async remove(name) {
      return await db.transaction().execute(async (tx) => {
        const { rows } = await sql<{ endpoint: string; monitor: string }>`
          SELECT m.endpoint, m.name AS monitor FROM monitors m
          JOIN endpoints e ON e.name = m.endpoint AND e.number = m.number AND e.removed_at IS NULL
          WHERE EXISTS (SELECT 1 FROM json_each(m.body, '$.tell') told WHERE told.value = ${name})
          ORDER BY m.endpoint, m.name`.execute(tx)
        if (rows.length > 0) {
          const holders = rows.map(({ endpoint, monitor }) => `${endpoint}/${monitor}`)
          const shown = holders.slice(0, 10).join(', ')
          throw new SelvedgeError('IN_USE', `webhook ${name} is told by monitors: ${shown}`, { holders })
        }
        const { numDeletedRows } = await tx.deleteFrom('webhooks').where('name', '=', name).executeTakeFirst()
        return numDeletedRows > 0n
      })
    },
  }
}

function toWebhook(row: Row<'webhooks'>): WebhookRecord {
  return {
    name: row.name,
    url: row.url,
    events: JSON.parse(row.events),
    secret: row.secret,
    createdAt: row.created_at,
    changes: row.changes,
    progress: {
      cursor: row.cursor,
      failures: row.failures,
      ...(row.failing_since !== null && { failingSince: row.failing_since }),
      dueAt: row.due_at,
      ...(row.paused_at !== null && { pausedAt: row.paused_at }),
    },
  }
}
