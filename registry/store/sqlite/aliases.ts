/** Aliases in SQLite: where each points, and every move that it ever made. */
import type { Kysely } from 'kysely'
import type { Alias, AliasMove } from '../../../runtime/contract/control.ts'
import { appendEvent } from './events.ts'
import type { Row, Tables } from './tables.ts'

export interface Move {
  alias: string
  /** Absent where the alias is taken away. */
  manifest?: string | undefined
  version?: number | undefined
  at: string
  by?: string | undefined
  why?: string | undefined
}

/** Where it points there already, nothing moves. */
export async function moveAlias(
  db: Kysely<Tables>,
  repository: string,
  move: Move & { manifest: string },
): Promise<void> {
  const { alias, manifest, version = null, at } = move
  const held = await db
    .selectFrom('aliases')
    .select(['manifest', 'version'])
    .where('repository', '=', repository)
    .where('alias', '=', alias)
    .executeTakeFirst()
  if (held?.manifest === manifest && held.version === version) return
  const target = { manifest, version, moved_at: at }
  await db
    .insertInto('aliases')
    .values({ repository, alias, ...target })
    .onConflict((conflict) => conflict.columns(['repository', 'alias']).doUpdateSet(target))
    .execute()
  await noteMove(db, repository, move)
}

export async function dropAliases(
  db: Kysely<Tables>,
  repository: string,
  aliases: readonly string[],
  { at, by }: Pick<Move, 'at' | 'by'>,
): Promise<void> {
  for (const alias of aliases) {
    await db.deleteFrom('aliases').where('repository', '=', repository).where('alias', '=', alias).execute()
    await noteMove(db, repository, { alias, at, by })
  }
}

/** The last move of an alias, or the last one that was not after a moment. */
export async function selectMove(
  db: Kysely<Tables>,
  repository: string,
  alias: string,
  at: string | undefined,
): Promise<AliasMove | undefined> {
  let query = db
    .selectFrom('alias_moves')
    .selectAll()
    .where('repository', '=', repository)
    .where('alias', '=', alias)
    .orderBy('id', 'desc')
    .limit(1)
  if (at !== undefined) query = query.where('at', '<=', at)
  const row = await query.executeTakeFirst()
  return row && toMove(row)
}

export async function selectMoves(
  db: Kysely<Tables>,
  repository: string,
  alias: string,
  { before, limit }: { before?: number | undefined; limit: number },
): Promise<AliasMove[]> {
  const rows = await db
    .selectFrom('alias_moves')
    .selectAll()
    .where('repository', '=', repository)
    .where('alias', '=', alias)
    .where('id', '<', before ?? Number.MAX_SAFE_INTEGER)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.map(toMove)
}

/** Names of those that point to a version, in lexical order. */
export async function selectAliases(db: Kysely<Tables>, repository: string): Promise<Alias[]> {
  const rows = await db
    .selectFrom('aliases')
    .select(['alias', 'version', 'moved_at'])
    .where('repository', '=', repository)
    .where('version', 'is not', null)
    .orderBy('alias')
    .execute()
  return rows.flatMap(({ alias, version, moved_at: movedAt }) =>
    version === null ? [] : [{ alias, version, movedAt }],
  )
}

async function noteMove(db: Kysely<Tables>, repository: string, move: Move): Promise<void> {
  const { alias, manifest = null, version = null, at, by = null, why = null } = move
  await db.insertInto('alias_moves').values({ repository, alias, manifest, version, at, by, why }).execute()
  await appendEvent(db, {
    type: 'alias.moved',
    at,
    about: { model: repository },
    subject: alias,
    data: { alias, ...(version !== null && { version }), ...(why !== null && { why }) },
  })
}

function toMove({ id, alias, version, at, by, why }: Row<'alias_moves'>): AliasMove {
  return {
    id,
    alias,
    ...(version !== null && { version }),
    at,
    ...(by !== null && { by }),
    ...(why !== null && { why }),
  }
}
