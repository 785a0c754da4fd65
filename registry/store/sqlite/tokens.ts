/** Tokens in SQLite. */
import type { Kysely } from 'kysely'
import type { Role, Token } from '../../../runtime/contract/control.ts'
import type { Tokens } from '../store.ts'
import type { Row, Tables } from './tables.ts'

/** What every request asks for is remembered until a token is made or revoked; nobody else writes to this file. */
export function openTokens(db: Kysely<Tables>): Tokens {
  let tallied: ReturnType<Tokens['tally']> | undefined
  let found = new Map<string, NonNullable<Awaited<ReturnType<Tokens['byHash']>>>>()

  function forget(): void {
    tallied = undefined
    found = new Map()
  }

  async function readTally(): ReturnType<Tokens['tally']> {
    const rows = await db
      .selectFrom('tokens')
      .select((select) => ['role', select.fn.countAll<number>().as('number')])
      .where('revoked_at', 'is', null)
      .groupBy('role')
      .execute()
    return Object.fromEntries(rows.map((row) => [row.role, row.number]))
  }

  return {
    async create({ id, name = null, role, hash, models }, now) {
      const row = {
        id,
        name,
        role,
        hash,
        models: models ? JSON.stringify(models) : null,
        created_at: now,
        revoked_at: null,
      }
      await db.insertInto('tokens').values(row).execute()
      forget()
      return toToken(row)
    },
    async byHash(hash) {
      // Whoever reads while a token is revoked must not be remembered past that.
      const known = found
      const held = known.get(hash)
      if (held !== undefined) return held
      const row = await db
        .selectFrom('tokens')
        .select(['id', 'role', 'hash', 'models'])
        .where('hash', '=', hash)
        .where('revoked_at', 'is', null)
        .executeTakeFirst()
      if (row === undefined) return undefined
      const token = { id: row.id, role: row.role as Role, hash: row.hash, ...modelsOf(row) }
      known.set(hash, token)
      return token
    },
    async revoke(id, now) {
      const result = await db
        .updateTable('tokens')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .executeTakeFirst()
      forget()
      return result.numUpdatedRows > 0n
    },
    async tokens({ after, limit }) {
      const rows = await db
        .selectFrom('tokens')
        .selectAll()
        .where('revoked_at', 'is', null)
        .where('id', '>', after ?? '')
        .orderBy('id')
        .limit(limit)
        .execute()
      return rows.map(toToken)
    },
    tally() {
      if (tallied !== undefined) return tallied
      const reading = readTally()
      tallied = reading
      reading.catch(() => {
        if (tallied === reading) tallied = undefined
      })
      return reading
    },
  }
}

function toToken(row: Row<'tokens'>): Token {
  return {
    id: row.id,
    ...(row.name !== null && { name: row.name }),
    role: row.role as Role,
    ...modelsOf(row),
    createdAt: row.created_at,
  }
}

function modelsOf({ models }: Pick<Row<'tokens'>, 'models'>): { models?: string[] } {
  return models === null ? {} : { models: JSON.parse(models) }
}
