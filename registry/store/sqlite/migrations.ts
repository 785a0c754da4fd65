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
  // What a manifest needs is rows, so that nothing that is needed is deleted; a version that was deleted keeps its number,
  // and its manifest may go.
  `
  ALTER TABLE repository_blobs RENAME COLUMN created_at TO pinned_at;
  CREATE INDEX repository_blobs_by_digest ON repository_blobs (digest);

  ALTER TABLE manifests ADD COLUMN subject TEXT;
  ALTER TABLE manifests ADD COLUMN artifact_type TEXT;
  ALTER TABLE manifests ADD COLUMN annotations TEXT;
  UPDATE manifests SET
    subject = json_extract(CAST(bytes AS TEXT), '$.subject.digest'),
    artifact_type = coalesce(
      nullif(json_extract(CAST(bytes AS TEXT), '$.artifactType'), ''),
      json_extract(CAST(bytes AS TEXT), '$.config.mediaType')
    ),
    annotations = json_extract(CAST(bytes AS TEXT), '$.annotations');
  CREATE INDEX manifests_by_subject ON manifests (repository, subject, digest) WHERE subject IS NOT NULL;

  CREATE TABLE manifest_blobs (
    repository TEXT NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (repository, manifest, digest),
    FOREIGN KEY (repository, manifest) REFERENCES manifests (repository, digest) ON DELETE CASCADE,
    FOREIGN KEY (repository, digest) REFERENCES repository_blobs (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_blobs_by_digest ON manifest_blobs (repository, digest);
  CREATE TABLE manifest_children (
    repository TEXT NOT NULL, manifest TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (repository, manifest, digest),
    FOREIGN KEY (repository, manifest) REFERENCES manifests (repository, digest) ON DELETE CASCADE,
    FOREIGN KEY (repository, digest) REFERENCES manifests (repository, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX manifest_children_by_digest ON manifest_children (repository, digest);
  INSERT OR IGNORE INTO manifest_blobs
    SELECT m.repository, m.digest, b.digest FROM manifests m, json_tree(CAST(m.bytes AS TEXT)) t
    JOIN repository_blobs b ON b.repository = m.repository AND b.digest = t.value WHERE t.key = 'digest';
  INSERT OR IGNORE INTO manifest_blobs
    SELECT v.model, v.manifest, b.digest FROM versions v
    JOIN repository_blobs b ON b.repository = v.model AND b.digest = json_extract(v.plan, '$.description');
  INSERT OR IGNORE INTO manifest_children
    SELECT m.repository, m.digest, c.digest FROM manifests m, json_each(CAST(m.bytes AS TEXT), '$.manifests') t
    JOIN manifests c ON c.repository = m.repository AND c.digest = json_extract(t.value, '$.digest');

  CREATE TABLE versions_next (
    model TEXT NOT NULL REFERENCES models, version INTEGER NOT NULL, manifest TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL, tags TEXT NOT NULL, why TEXT, description TEXT NOT NULL, plan TEXT NOT NULL,
    spec TEXT REFERENCES profile_specs, deleted_at TEXT,
    PRIMARY KEY (model, version)
  ) STRICT;
  INSERT INTO versions_next
    SELECT model, version, manifest, size_bytes, created_at, tags, why, description, plan, spec, NULL FROM versions;
  DROP TABLE versions;
  ALTER TABLE versions_next RENAME TO versions;
  CREATE INDEX versions_by_manifest ON versions (model, manifest);
  `,
  `
  ALTER TABLE tokens ADD COLUMN models TEXT;
  `,
  `
  ALTER TABLE versions ADD COLUMN probe TEXT;
  `,
  `
  CREATE TABLE alias_moves (
    id INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT NOT NULL, alias TEXT NOT NULL, manifest TEXT, version INTEGER,
    at TEXT NOT NULL, "by" TEXT, why TEXT
  ) STRICT;
  CREATE INDEX alias_moves_by_alias ON alias_moves (repository, alias, id);
  INSERT INTO alias_moves (repository, alias, manifest, version, at)
    SELECT repository, alias, manifest, version, moved_at FROM aliases ORDER BY moved_at;
  `,
  // The number is that of the endpoint's life, as in its salt.
  `
  CREATE TABLE monitors (
    endpoint TEXT NOT NULL REFERENCES endpoints, number INTEGER NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (endpoint, number, name)
  ) STRICT, WITHOUT ROWID;
  `,
  // As `served`, for deployments of several versions.
  `
  CREATE TABLE ensembles (
    endpoint TEXT NOT NULL REFERENCES endpoints, deployment TEXT NOT NULL, version INTEGER NOT NULL, steps TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (endpoint, deployment, version)
  ) STRICT, WITHOUT ROWID;
  `,
  // AUTOINCREMENT: a cursor that was given out is never passed again, whatever was dropped.
  `
  CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, at TEXT NOT NULL, endpoint TEXT, model TEXT, subject TEXT,
    data TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_endpoint ON events (endpoint, id);
  CREATE INDEX events_by_type ON events (type, id);
  CREATE INDEX events_by_time ON events (at);
  `,
  // Of monitors, in the life of an endpoint.
  `
  CREATE TABLE looks (
    endpoint TEXT NOT NULL REFERENCES endpoints, number INTEGER NOT NULL, monitor TEXT NOT NULL, deployment TEXT NOT NULL,
    at TEXT NOT NULL, version INTEGER NOT NULL, verdict TEXT NOT NULL, summary TEXT NOT NULL, report BLOB,
    PRIMARY KEY (endpoint, number, monitor, deployment, at)
  ) STRICT;
  CREATE TABLE alarms (
    endpoint TEXT NOT NULL REFERENCES endpoints, number INTEGER NOT NULL, monitor TEXT NOT NULL, deployment TEXT NOT NULL,
    part TEXT NOT NULL, version INTEGER NOT NULL, state TEXT NOT NULL, since TEXT NOT NULL,
    PRIMARY KEY (endpoint, number, monitor, deployment, part)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE profiles ADD COLUMN units TEXT;
  `,
  `
  ALTER TABLE exposures ADD COLUMN prediction TEXT;
  CREATE INDEX outcomes_by_time ON outcomes (endpoint, at);
  `,
  // Of an endpoint: the salt where it is not of its name and number, and the rollout that moves its traffic.
  `
  ALTER TABLE endpoints ADD COLUMN salt TEXT;
  ALTER TABLE endpoints ADD COLUMN rollout TEXT;
  CREATE TABLE splits (
    id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL REFERENCES endpoints, number INTEGER NOT NULL,
    revision INTEGER NOT NULL, at TEXT NOT NULL, salt TEXT NOT NULL, ranges TEXT NOT NULL, shadow TEXT, rollout INTEGER,
    restores INTEGER
  ) STRICT;
  CREATE INDEX splits_by_endpoint ON splits (endpoint, number, id);
  INSERT INTO splits (endpoint, number, revision, at, salt, ranges, shadow)
    SELECT name, number, revision, created_at, name || ':' || number, ranges, shadow FROM endpoints;
  CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL REFERENCES endpoints, number INTEGER NOT NULL,
    state TEXT NOT NULL, step INTEGER NOT NULL, step_started_at TEXT NOT NULL, revision INTEGER NOT NULL,
    created_at TEXT NOT NULL, changes INTEGER NOT NULL, body TEXT NOT NULL, before TEXT NOT NULL, advice TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX rollouts_under_way ON rollouts (endpoint, number) WHERE state IN ('running', 'paused');
  CREATE INDEX rollouts_by_endpoint ON rollouts (endpoint, number, id);
  CREATE TABLE rollout_entries (
    rollout INTEGER NOT NULL REFERENCES rollouts, place INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (rollout, place)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX exposures_by_time ON exposures (endpoint, at);
  `,
  // Days that ended are folded into sums. Of endpoints that were there before, what is older was dropped.
  `
  ALTER TABLE profiles ADD COLUMN tier TEXT NOT NULL DEFAULT 'trusted';
  ALTER TABLE endpoints ADD COLUMN counted_since TEXT;
  UPDATE endpoints SET counted_since = strftime('%Y-%m-%dT00:00:00.000Z', 'now', '-6 days');
  CREATE TABLE counted_days (
    endpoint TEXT NOT NULL REFERENCES endpoints, day TEXT NOT NULL, changes INTEGER NOT NULL, folded INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    PRIMARY KEY (endpoint, day)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO counted_days SELECT DISTINCT endpoint, substr(window, 1, 10), 1, 0, 0 FROM reports;
  CREATE TABLE day_facts (
    endpoint TEXT NOT NULL REFERENCES endpoints, deployment TEXT NOT NULL, version INTEGER NOT NULL, spec TEXT NOT NULL,
    day TEXT NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (endpoint, deployment, version, spec, day)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE day_sums (
    endpoint TEXT NOT NULL REFERENCES endpoints, deployment TEXT NOT NULL, version INTEGER NOT NULL, spec TEXT NOT NULL,
    variant TEXT NOT NULL, provider TEXT NOT NULL, device TEXT NOT NULL, side TEXT NOT NULL, feature TEXT NOT NULL,
    day TEXT NOT NULL, whole TEXT NOT NULL, hours TEXT,
    PRIMARY KEY (endpoint, deployment, version, spec, variant, provider, device, side, feature, day)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX day_sums_by_day ON day_sums (endpoint, day);
  `,
  // Scheme and audience; absent where the endpoint has our own scheme and everybody takes part.
  `
  ALTER TABLE endpoints ADD COLUMN assignment TEXT;
  `,
  // Of a report, what its shadows counted.
  `
  ALTER TABLE reports ADD COLUMN shadows TEXT;
  `,
  // Baselines of a monitor that are no version's own.
  `
  ALTER TABLE monitors ADD COLUMN past TEXT;
  `,
  // The revision is that of the split under which a unit was assigned, 0 where none is known.
  `
  DROP INDEX exposures_by_time;
  ALTER TABLE exposures RENAME TO exposures_before;
  CREATE TABLE exposures (
    endpoint TEXT NOT NULL REFERENCES endpoints, unit TEXT NOT NULL, day TEXT NOT NULL, deployment TEXT NOT NULL,
    revision INTEGER NOT NULL, at TEXT NOT NULL, prediction TEXT,
    PRIMARY KEY (endpoint, unit, day, deployment, revision)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO exposures (endpoint, unit, day, deployment, revision, at, prediction)
    SELECT endpoint, unit, day, deployment, coalesce((
      SELECT max(s.revision) FROM splits s JOIN endpoints n ON n.name = s.endpoint AND n.number = s.number
      WHERE s.endpoint = e.endpoint AND s.at <= e.at
    ), 0), at, prediction FROM exposures_before e;
  DROP TABLE exposures_before;
  CREATE INDEX exposures_by_time ON exposures (endpoint, at);
  `,
  // Of a profile, what requests counted that named a deployment or version.
  `
  ALTER TABLE profiles ADD COLUMN pinned TEXT;
  `,
  // Units that are left out, with the day on which they told too much.
  `
  CREATE TABLE busy_units (
    endpoint TEXT NOT NULL REFERENCES endpoints, unit TEXT NOT NULL, day TEXT NOT NULL, PRIMARY KEY (endpoint, unit)
  ) STRICT, WITHOUT ROWID;
  `,
  // Of a split, its scheme and audience; of those before, what the endpoint has.
  `
  ALTER TABLE splits ADD COLUMN assignment TEXT;
  UPDATE splits SET assignment = (
    SELECT e.assignment FROM endpoints e WHERE e.name = splits.endpoint AND e.number = splits.number
  );
  UPDATE rollouts SET before = json_patch(before, coalesce((
    SELECT e.assignment FROM endpoints e WHERE e.name = rollouts.endpoint AND e.number = rollouts.number
  ), '{"scheme":"murmur3-ppm-1"}'));
  `,
  // When each name of a minute's outcomes was told; absent where all were at one moment.
  `
  ALTER TABLE outcomes ADD COLUMN times TEXT;
  `,
  // Days that were folded when their sources were not kept: those whose reports are there are folded again, the others have
  // the sources of their sums, which are none where there was one.
  `
  UPDATE counted_days SET folded = 0 WHERE dropped = 0 AND EXISTS (
    SELECT 1 FROM day_facts f WHERE f.endpoint = counted_days.endpoint AND f.day = counted_days.day
      AND json_type(f.facts, '$.sources') IS NULL
  );
  UPDATE day_facts SET facts = json_set(facts, '$.sources', json((
    SELECT json_group_array(json_object('variant', variant, 'provider', provider, 'device', device)) FROM (
      SELECT DISTINCT s.variant, s.provider, s.device FROM day_sums s
      WHERE s.endpoint = day_facts.endpoint AND s.day = day_facts.day AND s.deployment = day_facts.deployment
        AND s.version = day_facts.version AND s.spec = day_facts.spec AND s.provider != ''
      ORDER BY s.variant, s.provider, s.device
    )
  ))) WHERE json_type(facts, '$.sources') IS NULL;
  `,
  // Webhooks, each with its place in the log of events.
  `
  CREATE TABLE webhooks (
    name TEXT NOT NULL PRIMARY KEY, url TEXT NOT NULL, events TEXT NOT NULL, secret TEXT NOT NULL, created_at TEXT NOT NULL,
    cursor INTEGER NOT NULL, changes INTEGER NOT NULL, failures INTEGER NOT NULL, failing_since TEXT, due_at INTEGER NOT NULL,
    paused_at TEXT
  ) STRICT, WITHOUT ROWID;
  ALTER TABLE events ADD COLUMN webhook TEXT;
  `,
]

/**
 * Brings the schema to the newest step, each step in a transaction of its own. Foreign keys must be off: SQLite changes a
 * table's keys by making it anew.
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
