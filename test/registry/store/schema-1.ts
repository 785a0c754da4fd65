/** The schema as version 1 of the data folder had it, with a model, an image and an upload in it: what every upgrade starts from. */
import { bytesOf, digestOf } from '../fixture.ts'

export const schema1 = `
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
  PRAGMA user_version = 1;
`

const layer = digestOf('layer')
export const description = digestOf('description')

export const image = bytesOf({
  schemaVersion: 2,
  config: { mediaType: 'application/x-config', digest: layer, size: 5 },
  layers: [],
  subject: { mediaType: 'application/x', digest: digestOf('subject'), size: 1 },
  annotations: { by: 'hand' },
})

export const index = bytesOf({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [{ mediaType: 'application/x', digest: digestOf(image), size: image.length }],
})

const day = '2026-11-24T10:00:00.000Z'

/** Tables and their rows, as they are inserted. */
export const rows1: readonly [string, (string | number | null | Uint8Array<ArrayBuffer>)[]][] = [
  ['blobs', [layer, 5, '[]', day, null]],
  ['blobs', [description, 11, '[]', day, null]],
  ['repository_blobs', ['m', layer, day]],
  ['repository_blobs', ['m', description, day]],
  ['uploads', ['u', 'm', null, day]],
  ['manifests', ['m', digestOf(image), 'application/vnd.oci.image.manifest.v1+json', image, day]],
  ['manifests', ['m', digestOf(index), 'application/vnd.oci.image.index.v1+json', index, day]],
  ['models', ['m', day, '{}']],
  [
    'versions',
    ['m', 1, digestOf(image), 5, day, '{}', null, '{}', JSON.stringify({ description, variants: [] }), null],
  ],
  ['aliases', ['m', 'champion', digestOf(image), 1, day]],
  ['endpoints', ['e', 1, day, null, 1, 1, '[]', '[]', null]],
  ['served', ['e', 'blue', 'm', 1, day]],
]
