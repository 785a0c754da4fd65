/** Reading a blob so that no byte leaves that its digest does not vouch for. */
import { createHash } from 'node:crypto'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { BlobRecord } from '../store/store.ts'
import type { StoredBlob } from './blobs.ts'

/** Memory for the chunk of this index. */
export type Memory = (index: number) => Uint8Array | undefined

/**
 * Two chunks in turn: a piece is there until the one after the next is asked for. Of 200 MB, memory made anew for each
 * chunk took a quarter of the time.
 */
export function openMemory({ size }: BlobRecord): Memory {
  const buffers = [0, 1].map((index) => new Uint8Array(chunkLength(size, index)))
  return (index) => buffers[index % 2]
}

/**
 * The bytes from `start` to before `end`, each 4 MiB chunk hashed before any of it is given. Price: one chunk in memory,
 * and the hash of up to two chunks beyond a short range.
 *
 * @param memory - default: each chunk has its own
 * @throws {@link SelvedgeError} `BLOB_CORRUPT`
 */
export async function* readChecked(
  stored: StoredBlob,
  record: BlobRecord,
  start: number,
  end: number,
  memory?: Memory,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    const index = Math.floor(at / limits.chunkBytes)
    const from = index * limits.chunkBytes
    const chunk = await readChunk(stored, record, index, memory?.(index))
    yield chunk.subarray(at - from, Math.min(end - from, chunk.length))
    at = from + chunk.length
  }
}

/** A whole small blob, such as a document. */
export async function readWhole(stored: StoredBlob, record: BlobRecord): Promise<Uint8Array> {
  const bytes = new Uint8Array(record.size)
  let filled = 0
  for await (const part of readChecked(stored, record, 0, record.size)) {
    bytes.set(part, filled)
    filled += part.length
  }
  return bytes
}

/** Reads anywhere in the blob; windows that follow one another hash each chunk once. */
export function openChecked(stored: StoredBlob, record: BlobRecord): StoredBlob['read'] {
  let held: { index: number; chunk: Uint8Array } | undefined
  return async (offset, length) => {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, record.size - offset)))
    for (let filled = 0; filled < bytes.length; ) {
      const at = offset + filled
      const index = Math.floor(at / limits.chunkBytes)
      if (held?.index !== index) held = { index, chunk: await readChunk(stored, record, index) }
      const part = held.chunk.subarray(at - index * limits.chunkBytes).subarray(0, bytes.length - filled)
      bytes.set(part, filled)
      filled += part.length
    }
    return bytes
  }
}

async function readChunk(
  stored: StoredBlob,
  record: BlobRecord,
  index: number,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const length = chunkLength(record.size, index)
  const chunk = await stored.read(index * limits.chunkBytes, length, into)
  const sound =
    stored.size === record.size &&
    chunk.length === length &&
    createHash('sha256').update(chunk).digest('hex') === record.chunks[index]
  if (sound) return chunk
  throw new SelvedgeError('BLOB_CORRUPT', `the stored bytes of ${record.digest} do not have this digest any more`)
}

function chunkLength(size: number, index: number): number {
  return Math.max(0, Math.min(limits.chunkBytes, size - index * limits.chunkBytes))
}
