/** Blobs: bytes by digest. The port that the folder (and later an object store) implements. */
import type { BlobRecord } from '../store/store.ts'

export interface Blobs {
  /**
   * Takes a stream without holding more than a few pieces of it in memory. Nothing is left where it fails.
   *
   * @throws SelvedgeError `DIGEST_INVALID` where the bytes have another digest, `STORAGE_FULL`; what the stream throws
   */
  write(bytes: AsyncIterable<Uint8Array>, digest: string): Promise<BlobRecord>
  /**
   * @returns undefined where nothing is stored under the digest
   * @throws SelvedgeError `BLOB_CORRUPT` where something other than a plain file of our own stands there
   */
  open(digest: string): Promise<StoredBlob | undefined>
  /**
   * Of the plain file of our own under the digest, without a look into it.
   *
   * @returns undefined where there is none
   */
  size(digest: string): Promise<number | undefined>
  close(): Promise<void>
}

export interface StoredBlob {
  readonly size: number
  /** That many bytes from the offset on; fewer only at the end. */
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}
