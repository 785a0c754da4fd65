/**
 * Garbage: blobs that no manifest needs, bytes that no row knows, uploads that nobody finishes.
 *
 * A blob that was pushed, mounted or asked for by a client that may push is kept for a day whatever needs it: the manifest
 * that will name it comes last.
 */
import { limits } from '../../runtime/limits.ts'
import type { Services } from '../http/env.ts'

export interface Collected {
  blobs: number
  bytes: number
  uploads: number
}

export type Collectable = Pick<Services, 'store' | 'blobs' | 'claims' | 'now'>

/**
 * @param dryRun - only says what would go
 * @param signal - leaves the rest for the next time
 */
export async function collectGarbage(services: Collectable, dryRun: boolean, signal?: AbortSignal): Promise<Collected> {
  const before = new Date(services.now() - blobKeptMs).toISOString()
  const uploads = await collectUploads(services, dryRun)
  const { store, blobs } = services
  const collected = { blobs: 0, bytes: 0, uploads }
  const unneeded = await store.repositories.unneededBlobs(before)
  if (!dryRun) await store.repositories.letGo(before)
  for (const { digest, size } of unneeded) {
    if (signal?.aborted) return collected
    if (dryRun || (await takeUnheld(services, digest))) add(collected, size)
  }
  // Bytes whose row was never written, or is gone while they are not: a process was killed in between.
  for await (const digest of blobs.digests()) {
    if (signal?.aborted) return collected
    if (await store.repositories.isKnown(digest)) continue
    const size = (await blobs.size(digest)) ?? 0
    if (dryRun || (await takeUnheld(services, digest))) add(collected, size)
  }
  return collected
}

/** Uploads to which nothing was added for a day, and bytes of which no upload is open. */
export async function collectUploads({ store, blobs, now }: Collectable, dryRun: boolean): Promise<number> {
  if (!dryRun) await store.repositories.dropUploads(new Date(now() - limits.uploadSessionMs).toISOString())
  let collected = 0
  // The row comes before the bytes and goes before them: bytes without a row are of no upload that goes on.
  for (const upload of await blobs.uploads()) {
    if (await store.repositories.isOpen(upload)) continue
    if (!dryRun) await blobs.discard(upload)
    collected++
  }
  return collected
}

/** As long as an upload may take. */
export const blobKeptMs = limits.uploadSessionMs

async function takeUnheld({ store, blobs, claims }: Collectable, digest: string): Promise<boolean> {
  let taken = false
  await claims.take(digest, async () => {
    // Row first: what is left when the process is killed in between is bytes without a row.
    taken = await store.repositories.forgetBlob(digest)
    if (taken) await blobs.remove(digest)
  })
  return taken
}

function add(collected: Collected, bytes: number): void {
  collected.blobs++
  collected.bytes += bytes
}
