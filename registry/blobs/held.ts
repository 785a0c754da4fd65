/** Blobs that repositories hold, found and read; one whose bytes prove to be damaged is remembered as such. */
import { SelvedgeError } from '../../runtime/errors.ts'
import type { BlobRecord, HeldBlob, Store } from '../store/store.ts'
import type { Blobs } from './blobs.ts'
import { readChecked } from './checked.ts'

export interface Shelf {
  store: Store
  blobs: Blobs
  /** ms since 1970. */
  now(): number
}

/** @throws {@link SelvedgeError} `BLOB_UNKNOWN`, `BLOB_CORRUPT` for one that was found corrupt before */
export async function findBlob({ store }: Shelf, repository: string, digest: string): Promise<HeldBlob> {
  const record = await store.repositories.blob(repository, digest)
  if (record === undefined) throw unknownBlob(repository, digest)
  if (record.corrupt)
    throw new SelvedgeError('BLOB_CORRUPT', `the stored bytes of ${digest} are not those of its digest`)
  return record
}

/**
 * The record of a blob that is worth naming: a client that is told that a damaged one is unknown pushes it again, and so
 * heals it. Price: a stat; bytes that changed in place are found when they are read.
 */
export async function intactBlob(
  { store, blobs }: Shelf,
  repository: string,
  digest: string,
): Promise<HeldBlob | undefined> {
  const record = await store.repositories.blob(repository, digest)
  if (record === undefined || record.corrupt || (await blobs.size(digest)) !== record.size) return undefined
  return record
}

/**
 * Bytes from `start` to before `end`, each piece proven.
 *
 * @param read - or `readInTurn`, with its limits
 * @throws {@link SelvedgeError} `BLOB_CORRUPT`
 */
export async function* readBlob(
  shelf: Shelf,
  record: BlobRecord,
  start: number,
  end: number,
  read = readChecked,
): AsyncGenerator<Uint8Array> {
  const { digest } = record
  const stored = await shelf.blobs.open(digest)
  if (stored === undefined) throw new SelvedgeError('BLOB_CORRUPT', `the stored bytes of ${digest} are gone`)
  try {
    yield* read(stored, record, start, end)
  } catch (thrown) {
    await noteCorrupt(shelf, digest, thrown)
    throw thrown
  } finally {
    await stored.close()
  }
}

/** Remembers the blob as corrupt where that is what was thrown. */
export async function noteCorrupt({ store, now }: Shelf, digest: string, thrown: unknown): Promise<void> {
  if (!(thrown instanceof SelvedgeError) || thrown.code !== 'BLOB_CORRUPT') return
  await store.repositories.markCorrupt(digest, new Date(now()).toISOString())
}

export function unknownBlob(repository: string, digest: string): SelvedgeError {
  return new SelvedgeError('BLOB_UNKNOWN', `repository ${repository} holds no blob ${digest}`, { digest })
}
