/** Blobs: bytes by digest, and uploads that become blobs. The port that the folder (and later an object store) implements. */
import type { BlobRecord } from '../store/store.ts'

export interface Blobs {
  /**
   * Takes a stream without holding more than a few pieces of it in memory. Nothing is left where it fails.
   *
   * @throws SelvedgeError `DIGEST_INVALID` where the bytes have another digest, `STORAGE_FULL`; what the stream throws
   */
  write(bytes: AsyncIterable<Uint8Array>, digest: string): Promise<BlobRecord>
  /**
   * Adds the stream to an upload at the offset, which is made where it is new; what was beyond the offset is gone. One
   * call at a time for one upload.
   *
   * @param upload - a UUID
   * @returns how many bytes the upload has; they are durable. Where it fails, those before the offset stay
   * @throws SelvedgeError `BLOB_UPLOAD_UNKNOWN` where it has fewer bytes, `STORAGE_FULL`; what the stream throws
   */
  append(upload: string, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number>
  /**
   * Makes a blob of the first `size` bytes of an upload, which is gone then. Again after it was done, it finds the blob.
   *
   * @throws SelvedgeError `DIGEST_INVALID`, and the upload stays; `BLOB_UPLOAD_UNKNOWN`, `STORAGE_FULL`
   */
  finish(upload: string, size: number, digest: string): Promise<BlobRecord>
  /** Drops what there is of an upload. */
  discard(upload: string): Promise<void>
  /** Every upload of which something is stored. */
  uploads(): Promise<string[]>
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
  /** Whatever stands under the digest is gone; who reads it already may read on. */
  remove(digest: string): Promise<void>
  /** Every digest under which something is stored, in any order. */
  digests(): AsyncIterable<string>
  close(): Promise<void>
}

export interface StoredBlob {
  readonly size: number
  /**
   * That many bytes from the offset on; fewer only at the end.
   *
   * @param into - memory of at least that length for them, which saves making it anew
   */
  read(offset: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>
  close(): Promise<void>
}
