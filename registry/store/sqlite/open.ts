/** The Store in one SQLite file, through Node's own `node:sqlite` and Kysely. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { Kysely, type SqliteDatabase, SqliteDialect, type SqliteStatement, sql } from 'kysely'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Store, StoreSize } from '../store.ts'
import { openEndpoints } from './endpoints.ts'
import { migrate } from './migrations.ts'
import { openModels } from './models.ts'
import { openRepositories } from './repositories.ts'
import type { Tables } from './tables.ts'
import { openTelemetry } from './telemetry.ts'
import { openTokens } from './tokens.ts'

/**
 * @param file - made where it is missing
 * @throws {@link SelvedgeError} `DATABASE_DAMAGED`, `SCHEMA_NEWER`
 */
export function openSqliteStore(file: string): Store {
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: false })
  try {
    demandSound(database)
    // FULL: an answered commit survives a power failure; WAL alone would leave the last ones to the page cache.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000')
    migrate(database)
    database.exec('PRAGMA foreign_keys = ON')
  } catch (thrown) {
    database.close()
    throw thrown
  }
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: forKysely(database) }) })
  return {
    repositories: openRepositories(db),
    models: openModels(db),
    endpoints: openEndpoints(db),
    telemetry: openTelemetry(db),
    tokens: openTokens(db),
    size: () => readSize(db),
    async close() {
      await db.destroy()
      // Kysely closes only what it has used.
      closeOnce(database)
    },
  }
}

// Every page is looked at, which takes about a second for a gigabyte. A changed value inside a row no page can tell.
function demandSound(database: DatabaseSync): void {
  let found: unknown
  try {
    found = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
  } catch (cause) {
    throw new SelvedgeError('DATABASE_DAMAGED', 'the database cannot be read: it is damaged', {}, { cause })
  }
  if (found !== 'ok') throw new SelvedgeError('DATABASE_DAMAGED', `the database is damaged: ${found}`)
}

async function readSize(db: Kysely<Tables>): Promise<StoreSize> {
  const { rows } = await sql<StoreSize>`
    SELECT (SELECT count(DISTINCT model) FROM versions WHERE deleted_at IS NULL) AS models,
      (SELECT count(*) FROM versions WHERE deleted_at IS NULL) AS versions,
      (SELECT count(*) FROM endpoints WHERE removed_at IS NULL) AS endpoints,
      (SELECT coalesce(sum(size), 0) FROM blobs) AS "blobBytes"`.execute(db)
  const [size] = rows
  if (size === undefined) throw new Error('a SELECT of four counts gave no row')
  return { ...size }
}

const keptStatements = 200

// Kysely asks for better-sqlite3's shape. It prepares every query anew; keeping the statements halves the cost of a fold.
function forKysely(database: DatabaseSync): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>()
  return {
    close: () => closeOnce(database),
    prepare(sql) {
      let statement = statements.get(sql)
      if (statement === undefined) {
        if (statements.size >= keptStatements) statements.clear()
        statement = adaptStatement(database.prepare(sql), sql)
        statements.set(sql, statement)
      }
      return statement
    },
  }
}

function closeOnce(database: DatabaseSync): void {
  if (database.isOpen) database.close()
}

function adaptStatement(statement: StatementSync, sql: string): SqliteStatement {
  return {
    // StatementSync.columns() would tell, but Node 22.13 does not have it yet. Values are always bound, never in the text.
    reader: /^\s*(select|with|pragma)\b|\breturning\b/i.test(sql),
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  }
}
