/** ModelStore: where a host keeps the bytes of blobs, chunk by chunk (OPFS in a page, a folder in Node). */
import type { Digest } from './contract/names.ts'

/**
 * A store promises nothing about what it gives back: a kill leaves torn chunks and anyone may change files, so every
 * reader checks each chunk against its digest (`loader.ts`).
 */
export interface ModelStore {
  /** Fills `into` with chunk `index` of the blob; false where that chunk is not stored in full. */
  readChunk(blob: Digest, index: number, into: Uint8Array): Promise<boolean>
  /** @throws SelvedgeError `STORAGE_FULL` where there is no room; the chunk is then not stored */
  writeChunk(blob: Digest, index: number, chunk: Uint8Array): Promise<void>
}
