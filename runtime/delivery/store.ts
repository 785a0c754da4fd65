/** ModelStore: where a host keeps the bytes of blobs (OPFS or IndexedDB in a page, a folder in Node). */
import type { Digest } from '../contract/names.ts'

/**
 * A store promises nothing about what it gives back: a kill leaves torn chunks and anyone may change files, so every
 * reader checks what it reads against its digest (`blobs.ts`). That is also why there is no map of the chunks that are
 * there: it could only repeat what the digest says, or be wrong.
 */
export interface ModelStore {
  /** Fills `into` with the 4 MiB chunk `index` of the blob; false where that chunk is not stored in full. */
  readChunk(blob: Digest, index: number, into: Uint8Array<ArrayBuffer>): Promise<boolean>
  /** @throws SelvedgeError `STORAGE_FULL` where there is no room; nothing of the chunk is then stored */
  writeChunk(blob: Digest, index: number, chunk: Uint8Array<ArrayBuffer>): Promise<void>
  /** A whole small blob, such as a description, whose size the reader does not know. */
  readDocument(blob: Digest): Promise<Uint8Array<ArrayBuffer> | undefined>
  /** @throws SelvedgeError `STORAGE_FULL` as above */
  writeDocument(blob: Digest, bytes: Uint8Array<ArrayBuffer>): Promise<void>
  /**
   * Runs `use` while nobody else who shares the store, such as another tab, runs one for the same blob: one of them
   * downloads, the others wait and then read. Not to be nested for one blob.
   */
  exclusively<T>(blob: Digest, use: () => Promise<T>): Promise<T>
}
