/** The Store in one SQLite file, through Node's own `node:sqlite` and Kysely. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { Kysely, type SqliteDatabase, SqliteDialect, type SqliteStatement, sql } from 'kysely'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { openChanges } from '../changes.ts'
import type { Models, Repositories, Store, StoreSize, Telemetry } from '../store.ts'
import { type Ballast, openBallast } from './ballast.ts'
import { openCoverage } from './coverage.ts'
import { openDays } from './days.ts'
import { openEndpoints } from './endpoints.ts'
import { openEvents } from './events.ts'
import { openExperiments } from './experiments.ts'
import { openExports } from './exports.ts'
import { openLooks } from './looks.ts'
import { migrate } from './migrations.ts'
import { openModels } from './models.ts'
import { openMonitors } from './monitors.ts'
import { openOutcomes } from './outcomes.ts'
import { openRepositories } from './repositories.ts'
import { openRequests } from './requests.ts'
import { openRollouts } from './rollouts.ts'
import type { Tables } from './tables.ts'
import { openTelemetry } from './telemetry.ts'
import { openTokens } from './tokens.ts'
import { openWebhooks } from './webhooks.ts'

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
    // The log goes into the database every 4 MiB; what a backup that reads for long lets it grow beyond is given back after.
    database.exec(`PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = ${4 * 1024 * 1024}`)
    migrate(database)
    database.exec('PRAGMA foreign_keys = ON')
  } catch (thrown) {
    database.close()
    throw thrown
  }
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: forKysely(database) }) })
  const changes = openChanges()
  const ballast = openBallast(`${file}-ballast`)
  return {
    repositories: freeingRepositories(openRepositories(db), ballast),
    models: freeingModels(openModels(db), ballast),
    endpoints: openEndpoints(db),
    telemetry: freeingTelemetry(openTelemetry(db, changes), ballast),
    days: openDays(db, changes),
    monitors: openMonitors(db),
    events: openEvents(db),
    rollouts: openRollouts(db),
    looks: openLooks(db),
    outcomes: openOutcomes(db),
    coverage: openCoverage(db),
    experiments: openExperiments(db),
    exports: openExports(db),
    requests: openRequests(db),
    tokens: openTokens(db),
    webhooks: openWebhooks(db),
    size: () => readSize(db),
    async tidy() {
      await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db)
    },
    async close() {
      ballast.close()
      await db.destroy()
      // Kysely closes only what it has used.
      closeOnce(database)
    },
  }
}

function freeingRepositories(repositories: Repositories, { free }: Ballast): Repositories {
  return {
    ...repositories,
    closeUpload: (upload) => free(() => repositories.closeUpload(upload)),
    dropUploads: (before) => free(() => repositories.dropUploads(before)),
    letGo: (before) => free(() => repositories.letGo(before)),
    forgetBlob: (digest) => free(() => repositories.forgetBlob(digest)),
    removeBlob: (...removal) => free(() => repositories.removeBlob(...removal)),
    removeManifest: (...removal) => free(() => repositories.removeManifest(...removal)),
  }
}

function freeingModels(models: Models, { free }: Ballast): Models {
  return {
    ...models,
    removeVersion: (...removal) => free(() => models.removeVersion(...removal)),
    removeModel: (...removal) => free(() => models.removeModel(...removal)),
  }
}

function freeingTelemetry(telemetry: Telemetry, { free }: Ballast): Telemetry {
  return { ...telemetry, drop: (before) => free(() => telemetry.drop(before)) }
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
    all: (parameters) => asStoreError(() => statement.all(...(parameters as SQLInputValue[]))),
    run: (parameters) => {
      try {
        return asStoreError(() => statement.run(...(parameters as SQLInputValue[])))
      } catch (thrown) {
        // SQLite rolls some transactions back by itself, and Kysely once more, which would hide why.
        if (/^rollback$/i.test(sql) && /no transaction is active/.test(String(thrown))) return nothingChanged
        throw thrown
      }
    },
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  }
}

const nothingChanged = { changes: 0, lastInsertRowid: 0 }

function asStoreError<T>(use: () => T): T {
  try {
    return use()
  } catch (thrown) {
    const isFull = thrown instanceof Error && 'errcode' in thrown && thrown.errcode === sqliteFull
    if (!isFull) throw thrown
    throw new SelvedgeError('STORAGE_FULL', 'the registry has no room to write this down', {}, { cause: thrown })
  }
}

const sqliteFull = 13
