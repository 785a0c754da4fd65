/**
 * Who may touch a blob, over all tabs of the origin (Web Locks: every browser whose WebCrypto can verify a plan has
 * them). A lock ends with its tab, however that ends.
 */
import type { Digest } from '../../runtime/contract/names.ts'

/** One download of a blob at a time. */
export async function lockDownload<T>(blob: Digest, use: () => Promise<T>): Promise<T> {
  return (await navigator.locks.request(`selvedge download ${blob}`, use)) as T
}

/** Runs `use` unless the blob is being downloaded. */
export async function unlessDownloading(blob: Digest, use: () => Promise<void>): Promise<void> {
  const ifFree = async (lock: Lock | null) => {
    if (lock !== null) await use()
  }
  await navigator.locks.request(`selvedge download ${blob}`, { ifAvailable: true }, ifFree)
}

/** For as long as a handle of the blob's file is open. */
export async function lockFile<T>(blob: Digest, mode: LockMode, use: () => Promise<T>): Promise<T> {
  return (await navigator.locks.request(`selvedge file ${blob}`, { mode }, use)) as T
}
