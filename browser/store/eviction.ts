/** Which blobs leave a store: those used least recently, never one in use. */
import type { Digest } from '../../runtime/contract/names.ts'
import { unlessDownloading } from './locks.ts'

export interface StoredBlob {
  blob: Digest
  bytes: number
  /** Ms since 1970. */
  usedAt: number
}

/** @returns oldest first, as few as free so many bytes; all that may leave where they are not enough */
export function leastUsed(stored: readonly StoredBlob[], inUse: ReadonlySet<Digest>, bytesToFree: number): Digest[] {
  const leaving: Digest[] = []
  let freed = 0
  for (const { blob, bytes } of stored.toSorted((a, b) => a.usedAt - b.usedAt)) {
    if (freed >= bytesToFree) break
    if (inUse.has(blob)) continue
    leaving.push(blob)
    freed += bytes
  }
  return leaving
}

export interface Budgeted {
  stored(): Promise<StoredBlob[]>
  markUsed(blobs: readonly Digest[]): Promise<void>
  remove(blob: Digest): Promise<void>
}

export interface Budget {
  /** As `PageStore.trim`. */
  trim(inUse: readonly Digest[]): Promise<void>
  /** Frees so many bytes, of other blobs; false where none could leave. */
  makeRoom(blob: Digest, bytes: number): Promise<boolean>
}

export function openBudget(budgetBytes: number, { stored, markUsed, remove }: Budgeted): Budget {
  let inUse: ReadonlySet<Digest> = new Set()

  async function evict(blobs: readonly StoredBlob[], kept: ReadonlySet<Digest>, bytesToFree: number): Promise<boolean> {
    const leaving = leastUsed(blobs, kept, bytesToFree)
    for (const blob of leaving) await unlessDownloading(blob, () => remove(blob))
    return leaving.length > 0
  }

  return {
    async trim(blobs) {
      inUse = new Set(blobs)
      const all = await stored()
      await markUsed(all.flatMap(({ blob }) => (inUse.has(blob) ? [blob] : [])))
      await evict(all, inUse, all.reduce((sum, { bytes }) => sum + bytes, 0) - budgetBytes)
    },
    makeRoom: async (blob, bytes) => await evict(await stored(), new Set([...inUse, blob]), bytes),
  }
}
