/** Manifests and their tags in SQLite. */
import type { Kysely } from 'kysely'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { ManifestRecord, NewManifest, Referrer, Repositories } from '../store.ts'
import type { Row, Tables } from './tables.ts'

const rowsAtOnce = 500

/** @throws {@link SelvedgeError} `MANIFEST_BLOB_UNKNOWN` where the repository does not hold what it needs */
export async function insertManifest(
  db: Kysely<Tables>,
  repository: string,
  { digest: manifest, mediaType, bytes, blobs, children, subject, artifactType, annotations }: NewManifest,
  now: string,
): Promise<void> {
  await db
    .insertInto('manifests')
    .values({
      repository,
      digest: manifest,
      media_type: mediaType,
      bytes,
      created_at: now,
      subject: subject ?? null,
      artifact_type: artifactType ?? null,
      annotations: annotations === undefined ? null : JSON.stringify(annotations),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  for (const [table, digests] of [
    ['manifest_blobs', blobs],
    ['manifest_children', children],
  ] as const) {
    for (let from = 0; from < digests.length; from += rowsAtOnce) {
      const rows = digests.slice(from, from + rowsAtOnce).map((digest) => ({ repository, manifest, digest }))
      await demandHeld(
        repository,
        db
          .insertInto(table)
          .values(rows)
          .onConflict((conflict) => conflict.doNothing())
          .execute(),
      )
    }
  }
}

export async function selectManifest(
  db: Kysely<Tables>,
  repository: string,
  reference: { digest: string } | { tag: string },
): Promise<ManifestRecord | undefined> {
  const digest = 'digest' in reference ? reference.digest : await taggedDigest(db, repository, reference.tag)
  if (digest === undefined) return undefined
  const row = await db
    .selectFrom('manifests')
    .select(['digest', 'media_type', 'bytes'])
    .where('repository', '=', repository)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return row && { digest: row.digest, mediaType: row.media_type, bytes: row.bytes }
}

export async function selectTags(
  db: Kysely<Tables>,
  repository: string,
  { last, limit }: { last?: string | undefined; limit: number },
): Promise<string[] | undefined> {
  const aliases = await db
    .selectFrom('aliases')
    .select('alias')
    .where('repository', '=', repository)
    .where('alias', '>', last ?? '')
    .orderBy('alias')
    .limit(limit)
    .execute()
  const versions = await db
    .selectFrom('versions')
    .select('version')
    .where('model', '=', repository)
    .where('deleted_at', 'is', null)
    .execute()
  const numbers = versions.map((row) => String(row.version)).filter((number) => number > (last ?? ''))
  const tags = [...new Set([...aliases.map((row) => row.alias), ...numbers])].sort().slice(0, limit)
  if (tags.length > 0 || (await holdsAnything(db, repository))) return tags
  return undefined
}

export async function selectReferrers(
  db: Kysely<Tables>,
  repository: string,
  subject: string,
  { artifactType, after, most, mostBytes }: Parameters<Repositories['referrers']>[2],
): Promise<{ referrers: Referrer[]; more: boolean }> {
  let query = db
    .selectFrom('manifests')
    .where('repository', '=', repository)
    .where('subject', '=', subject)
    .where('digest', '>', after ?? '')
  if (artifactType !== undefined) query = query.where('artifact_type', '=', artifactType)
  // Sizes first: the annotations of a thousand manifests may be gigabytes.
  const sizes = await query
    .select((select) => ['digest', select.fn<number | null>('length', ['annotations']).as('length')])
    .orderBy('digest')
    .limit(most + 1)
    .execute()
  const fitting: string[] = []
  let bytes = 0
  for (const { digest, length } of sizes.slice(0, most)) {
    bytes += (length ?? 0) + 500
    if (fitting.length > 0 && bytes > mostBytes) break
    fitting.push(digest)
  }
  if (fitting.length === 0) return { referrers: [], more: false }
  const rows = await db
    .selectFrom('manifests')
    .select((select) => [
      'digest',
      'media_type',
      'artifact_type',
      'annotations',
      select.fn<number>('length', ['bytes']).as('size'),
    ])
    .where('repository', '=', repository)
    .where('digest', 'in', fitting)
    .orderBy('digest')
    .execute()
  return { referrers: rows.map(toReferrer), more: sizes.length > fitting.length }
}

function toReferrer(
  row: Pick<Row<'manifests'>, 'digest' | 'media_type' | 'artifact_type' | 'annotations'> & { size: number },
): Referrer {
  return {
    mediaType: row.media_type,
    digest: row.digest,
    size: row.size,
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    ...(row.annotations !== null && { annotations: JSON.parse(row.annotations) }),
  }
}

// SQLite's extended result code for a foreign key; no row says which one.
async function demandHeld(repository: string, inserting: Promise<unknown>): Promise<void> {
  try {
    await inserting
  } catch (thrown) {
    if (!(thrown instanceof Error && 'errcode' in thrown && thrown.errcode === 787)) throw thrown
    throw new SelvedgeError(
      'MANIFEST_BLOB_UNKNOWN',
      `repository ${repository} no longer holds what the manifest names`,
      {},
      { cause: thrown },
    )
  }
}

// A version's number comes before a plain tag of the same digits, which can only be older.
async function taggedDigest(db: Kysely<Tables>, repository: string, tag: string): Promise<string | undefined> {
  if (/^[1-9][0-9]{0,14}$/.test(tag)) {
    const version = await db
      .selectFrom('versions')
      .select('manifest')
      .where('model', '=', repository)
      .where('version', '=', Number(tag))
      .where('deleted_at', 'is', null)
      .executeTakeFirst()
    if (version !== undefined) return version.manifest
  }
  const alias = await db
    .selectFrom('aliases')
    .select('manifest')
    .where('repository', '=', repository)
    .where('alias', '=', tag)
    .executeTakeFirst()
  return alias?.manifest
}

async function holdsAnything(db: Kysely<Tables>, repository: string): Promise<boolean> {
  for (const table of ['manifests', 'repository_blobs'] as const) {
    const row = await db
      .selectFrom(table)
      .select('digest')
      .where('repository', '=', repository)
      .limit(1)
      .executeTakeFirst()
    if (row !== undefined) return true
  }
  return false
}
