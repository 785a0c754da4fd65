/** Reading a blob so that no byte leaves that its digest does not vouch for. */
import { createHash } from 'node:crypto'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { BlobRecord } from '../store/store.ts'
import type { StoredBlob } from './blobs.ts'
import { hashApart } from './hasher.ts'

/**
 * The bytes from `start` to before `end`, each 4 MiB chunk hashed before any of it is given. Price: one chunk in memory,
 * and the hash of up to two chunks beyond a short range.
 *
 * @throws {@link SelvedgeError} `BLOB_CORRUPT`
 */
export function readChecked(
  stored: StoredBlob,
  record: BlobRecord,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  return piecesOf(start, end, (index) => readChunk(stored, record, index))
}

/**
 * As {@link readChecked}, for bodies of many chunks: they are hashed on a thread of their own and lie in two chunks of memory
 * in turn, so that a piece is there only until the one after the next is asked for. Memory made anew for each chunk took a
 * quarter of the time of 200 MB.
 *
 * @throws {@link SelvedgeError} `BLOB_CORRUPT`
 */
export function readInTurn(
  stored: StoredBlob,
  record: BlobRecord,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  const memory = [0, 1].map((index) => new Uint8Array(chunkLength(record.size, index)))
  return piecesOf(start, end, async (index) => {
    const turn = index % 2
    const into = memory[turn] ?? new Uint8Array()
    const length = chunkLength(record.size, index)
    const chunk = await stored.read(index * limits.chunkBytes, length, into)
    const { hash, bytes } = await hashApart(chunk)
    memory[turn] = new Uint8Array(bytes.buffer)
    demandSound(stored, record, index, bytes, hash)
    return bytes
  })
}

async function* piecesOf(
  start: number,
  end: number,
  chunkAt: (index: number) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    const index = Math.floor(at / limits.chunkBytes)
    const from = index * limits.chunkBytes
    const chunk = await chunkAt(index)
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

async function readChunk(stored: StoredBlob, record: BlobRecord, index: number): Promise<Uint8Array> {
  const chunk = await stored.read(index * limits.chunkBytes, chunkLength(record.size, index))
  demandSound(stored, record, index, chunk, createHash('sha256').update(chunk).digest('hex'))
  return chunk
}

function demandSound(stored: StoredBlob, record: BlobRecord, index: number, chunk: Uint8Array, hash: string): void {
  const isWhole = stored.size === record.size && chunk.length === chunkLength(record.size, index)
  if (isWhole && hash === record.chunks[index]) return
  throw new SelvedgeError('BLOB_CORRUPT', `the stored bytes of ${record.digest} do not have this digest any more`)
}

function chunkLength(size: number, index: number): number {
  return Math.max(0, Math.min(limits.chunkBytes, size - index * limits.chunkBytes))
}
