/** The schema's history: forward only, one entry a step, never edited once released. */
import type { DatabaseSync } from 'node:sqlite'
import { SelvedgeError } from '../../../runtime/errors.ts'

const migrations: readonly string[] = [
  `
  CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, chunks TEXT NOT NULL, created_at TEXT NOT NULL, corrupt_at TEXT
  ) STRICT;
  CREATE TABLE repository_blobs (
    repository TEXT NOT NULL, digest TEXT NOT NULL REFERENCES blobs, created_at TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE uploads (
    id TEXT PRIMARY KEY, repository TEXT NOT NULL, token TEXT, created_at TEXT NOT NULL
  ) STRICT;
  CREATE TABLE manifests (
    repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, bytes BLOB NOT NULL, created_at TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
  ) STRICT;
  CREATE TABLE aliases (
    repository TEXT NOT NULL, alias TEXT NOT NULL, manifest TEXT NOT NULL, version INTEGER, moved_at TEXT NOT NULL,
    PRIMARY KEY (repository, alias),
    FOREIGN KEY (repository, manifest) REFERENCES manifests (repository, digest)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE models (name TEXT PRIMARY KEY, created_at TEXT NOT NULL, tags TEXT NOT NULL) STRICT;
  CREATE TABLE profile_specs (digest TEXT PRIMARY KEY, spec TEXT NOT NULL) STRICT;
  CREATE TABLE versions (
    model TEXT NOT NULL REFERENCES models, version INTEGER NOT NULL, manifest TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL, tags TEXT NOT NULL, why TEXT, description TEXT NOT NULL, plan TEXT NOT NULL,
    spec TEXT REFERENCES profile_specs,
    PRIMARY KEY (model, version),
    FOREIGN KEY (model, manifest) REFERENCES manifests (repository, digest)
  ) STRICT;
  CREATE INDEX versions_by_manifest ON versions (model, manifest);

  CREATE TABLE endpoints (
    name TEXT PRIMARY KEY, number INTEGER NOT NULL, created_at TEXT NOT NULL, removed_at TEXT, revision INTEGER NOT NULL,
    issued_at INTEGER NOT NULL, deployments TEXT NOT NULL, ranges TEXT NOT NULL, shadow TEXT
  ) STRICT;
  CREATE TABLE served (
    endpoint TEXT NOT NULL REFERENCES endpoints, deployment TEXT NOT NULL, model TEXT NOT NULL, version INTEGER NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (endpoint, deployment, model, version),
    FOREIGN KEY (model, version) REFERENCES versions (model, version)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE reports (
    endpoint TEXT NOT NULL REFERENCES endpoints, sender TEXT NOT NULL, window TEXT NOT NULL, seq INTEGER NOT NULL,
    revision INTEGER NOT NULL, first_received_at TEXT NOT NULL, received_at TEXT NOT NULL,
    PRIMARY KEY (endpoint, sender, window)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX reports_by_time ON reports (endpoint, received_at);
  CREATE TABLE profiles (
    endpoint TEXT NOT NULL, window TEXT NOT NULL, sender TEXT NOT NULL, deployment TEXT NOT NULL, version INTEGER NOT NULL,
    variant TEXT NOT NULL, provider TEXT NOT NULL, device TEXT NOT NULL, spec TEXT NOT NULL, rows INTEGER NOT NULL,
    counts TEXT NOT NULL, outputs TEXT NOT NULL, latency TEXT NOT NULL, errors TEXT NOT NULL,
    PRIMARY KEY (endpoint, window, sender, deployment, version, variant, provider, device, spec),
    FOREIGN KEY (endpoint, sender, window) REFERENCES reports (endpoint, sender, window)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX profiles_by_sender ON profiles (endpoint, sender);
  CREATE TABLE exposures (
    endpoint TEXT NOT NULL REFERENCES endpoints, unit TEXT NOT NULL, day TEXT NOT NULL, deployment TEXT NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (endpoint, unit, day, deployment)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE outcomes (
    endpoint TEXT NOT NULL REFERENCES endpoints, unit TEXT NOT NULL, window TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (endpoint, unit, window)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tokens (
    id TEXT PRIMARY KEY, name TEXT, role TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL, revoked_at TEXT
  ) STRICT;
  `,
  // Uploads go on where they ended. A default of '' is needed to add the column; no row keeps it.
  `
  ALTER TABLE uploads ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE uploads ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE uploads ADD COLUMN changed_at TEXT NOT NULL DEFAULT '';
  UPDATE uploads SET changed_at = created_at;
  `,
]

/**
 * Brings the schema to the newest step, each step in a transaction of its own.
 *
 * @throws {@link SelvedgeError} `SCHEMA_NEWER` where a newer Selvedge wrote the file
 */
export function migrate(database: DatabaseSync): void {
  const { user_version: applied } = database.prepare('PRAGMA user_version').get() as { user_version: number }
  if (applied > migrations.length) {
    throw new SelvedgeError('SCHEMA_NEWER', `the data has schema ${applied}, this Selvedge knows ${migrations.length}`)
  }
  for (let step = applied; step < migrations.length; step++) {
    database.exec(`BEGIN IMMEDIATE; ${migrations[step]}; PRAGMA user_version = ${step + 1}; COMMIT`)
  }
}
