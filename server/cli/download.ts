/**
 * Fetching one blob into a file: under a temporary name that its digest is part of, so that a later run goes on with it
 * by Range; renamed once every byte was proven by the digest.
 */
import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { readBytes, request, type Server } from './answers.ts'
import { retried } from './retry.ts'

export interface Content {
  digest: string
  size: number
}

export interface DownloadOptions {
  /** Told how many of the blob's bytes are there. */
  moved(bytes: number): void
  signal: AbortSignal
}

/**
 * @param path - where the file is to be; its folder is made
 * @returns bytes that came now
 * @throws {@link SelvedgeError} `DIGEST_MISMATCH`, `STORAGE_FULL`; what came so far is kept after a break
 */
export async function downloadBlob(
  server: Server,
  repository: string,
  content: Content,
  path: string,
  options: DownloadOptions,
): Promise<number> {
  const part = join(dirname(path), `.${basename(path)}.${content.digest.slice(7, 19)}.part`)
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(part, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)
    let fetched: number
    try {
      fetched = await fill(server, repository, content, file, options)
    } finally {
      await file.close()
    }
    await rename(part, path)
    return fetched
  } catch (thrown) {
    // Bytes that are not those of their digest are of no use to anyone.
    if (thrown instanceof SelvedgeError && thrown.code === 'DIGEST_MISMATCH') await rm(part, { force: true })
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOSPC')) throw thrown
    throw new SelvedgeError('STORAGE_FULL', `no space left for ${basename(path)}`, {}, { cause: thrown })
  }
}

async function fill(
  server: Server,
  repository: string,
  { digest, size }: Content,
  file: FileHandle,
  { moved, signal }: DownloadOptions,
): Promise<number> {
  let { hash, offset } = await hashKept(file, size)
  let fetched = 0
  await retried(
    async () => {
      moved(offset)
      // Also without a byte that is missing: an empty file has none.
      while (offset < size) {
        const before = offset
        const answer = await openRange(server, `v2/${repository}/blobs/${digest}`, offset, signal)
        if (offset !== answer.start) ({ hash, offset } = { hash: createHash('sha256'), offset: 0 })
        for await (const bytes of answer.bytes) {
          if (offset + bytes.length > size) throw mismatch(digest, `more than its ${size} bytes came`)
          await writeAt(file, bytes, offset)
          hash.update(bytes)
          offset += bytes.length
          fetched += bytes.length
          moved(offset)
        }
        if (offset <= before) throw new SelvedgeError('REGISTRY_UNREACHABLE', `no registry at ${server.base}: no bytes`)
      }
    },
    () => offset,
    signal,
  )
  await file.truncate(size)
  const came = `sha256:${hash.digest('hex')}`
  if (came !== digest) throw mismatch(digest, `what came has ${came}`)
  await file.sync()
  return fetched
}

// What an earlier run left is hashed as what comes is: in the end only the digest counts.
async function hashKept(file: FileHandle, size: number): Promise<{ hash: Hash; offset: number }> {
  const hash = createHash('sha256')
  const kept = (await file.stat()).size
  if (kept > size) return { hash, offset: 0 }
  const buffer = new Uint8Array(1024 * 1024)
  let offset = 0
  while (offset < kept) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, kept - offset), offset)
    if (bytesRead === 0) break
    hash.update(buffer.subarray(0, bytesRead))
    offset += bytesRead
  }
  return { hash, offset }
}

async function openRange(
  server: Server,
  path: string,
  offset: number,
  signal: AbortSignal,
): Promise<{ start: number; bytes: AsyncIterable<Uint8Array> }> {
  const silent = new AbortController()
  const timer = setTimeout(() => silent.abort(new Error('nothing came for 30 s')), limits.stallMs)
  const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {}
  const init = { headers, signal: AbortSignal.any([signal, silent.signal]) }
  async function* pieces(response: Response): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of readBytes(server, response)) {
        timer.refresh()
        yield piece
      }
    } finally {
      clearTimeout(timer)
    }
  }
  try {
    const response = await request(server, path, init, 0)
    // A server may answer with the whole where a range was asked for.
    return { start: response.status === 206 ? offset : 0, bytes: pieces(response) }
  } catch (thrown) {
    clearTimeout(timer)
    throw thrown
  }
}

async function writeAt(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten
  }
}

function mismatch(digest: string, why: string): SelvedgeError {
  return new SelvedgeError('DIGEST_MISMATCH', `blob ${digest}: ${why}`)
}
