/**
 * Sending one blob: OCI Distribution 1.1, "Pushing a blob in chunks". After a break it goes on where the registry's
 * durable bytes end, in this run or, by the memory of uploads, in a later one.
 */
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { request, type Server } from './answers.ts'
import { type Blob, hasBlob } from './oci.ts'
import { retried } from './retry.ts'
import type { UploadMemory } from './upload-memory.ts'

// What a break may cost. At the least rate that a registry takes, one chunk is through before fetch gives up (300 s).
const { chunkBytes } = limits
const mostSessions = 3

export interface UploadOptions {
  memory: UploadMemory
  /** Told how many of the blob's bytes are on their way or there. */
  moved(bytes: number): void
  signal: AbortSignal
}

interface Session {
  location: string
  /** Bytes that the registry has. */
  offset: number
}

/** @returns bytes that an earlier run had sent */
export async function uploadBlob(
  server: Server,
  repository: string,
  blob: Blob,
  { memory, moved, signal }: UploadOptions,
): Promise<number> {
  const remembered = blob.size > chunkBytes
  let session = remembered ? await reopen(server, blob, memory, signal) : undefined
  const resumedBytes = session?.offset ?? 0
  for (let sessions = 1; ; sessions += 1) {
    session ??= await start(server, repository, signal)
    if (remembered) await memory.keep(blob.digest, session.location)
    try {
      await send(server, blob, session, moved, signal)
      if (remembered) await memory.forget(blob.digest)
      return sessions === 1 ? resumedBytes : 0
    } catch (thrown) {
      if (!isUnknownUpload(thrown)) throw thrown
      await memory.forget(blob.digest)
      // The registry ends an upload that is done, too: then the answer that said so was lost.
      if (await hasBlob(server, repository, blob.digest, signal)) return sessions === 1 ? resumedBytes : 0
      if (sessions === mostSessions) throw thrown
      session = undefined
    }
  }
}

async function start(server: Server, repository: string, signal: AbortSignal): Promise<Session> {
  const path = `v2/${repository}/blobs/uploads/`
  const response = await request(server, path, { method: 'POST', signal })
  return { location: locationOf(server, path, response), offset: 0 }
}

async function reopen(
  server: Server,
  blob: Blob,
  memory: UploadMemory,
  signal: AbortSignal,
): Promise<Session | undefined> {
  const location = await memory.recall(blob.digest)
  if (location === undefined || !URL.canParse(location)) return undefined
  try {
    const session = await retried(
      () => findSession(server, location, signal),
      () => 0,
      signal,
    )
    return session.offset <= blob.size ? session : undefined
  } catch (thrown) {
    if (isUnknownUpload(thrown)) return undefined
    throw thrown
  }
}

async function send(
  server: Server,
  blob: Blob,
  session: Session,
  moved: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  let [{ location, offset }, done] = [session, false]
  while (!done) {
    done = await retried(
      async (again) => {
        if (again) ({ location, offset } = await findSession(server, location, signal))
        moved(offset)
        const start = offset
        const end = Math.min(start + chunkBytes, blob.size)
        const body = partOf(blob, start, end, (bytes) => moved(start + bytes))
        if (end === blob.size) {
          await request(server, closing(location, blob), { method: 'PUT', ...body, signal }, 0)
          return true
        }
        const answer = await request(server, location, { method: 'PATCH', ...body, signal }, 0)
        ;({ location, offset } = readSession(server, location, answer))
        if (offset > start) return false
        throw new SelvedgeError('UNSUPPORTED', `the registry at ${server.base} took a part of an upload and kept none`)
      },
      () => offset,
      signal,
    )
  }
}

// docker-registry answers 416 for an upload whose last part it got only a piece of: that one is lost, too.
async function findSession(server: Server, location: string, signal: AbortSignal): Promise<Session> {
  try {
    const answer = await request(server, location, { signal })
    if (answer.headers.has('retry-after')) {
      throw new SelvedgeError('TOO_MANY_REQUESTS', 'what was sent before the line broke is still arriving')
    }
    return readSession(server, location, answer)
  } catch (cause) {
    const lost = cause instanceof SelvedgeError && (cause.status === 404 || cause.status === 416)
    if (lost) throw new SelvedgeError('BLOB_UPLOAD_UNKNOWN', cause.message, {}, { cause })
    throw cause
  }
}

function readSession(server: Server, path: string, response: Response): Session {
  const [, last] = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers.get('range') ?? '') ?? []
  // An upload that has nothing says 0-0, as the specification has it; none of ours has one byte.
  const offset = last === undefined || last === '0' ? 0 : Number(last) + 1
  return { location: locationOf(server, path, response), offset }
}

function locationOf(server: Server, path: string, response: Response): string {
  const location = response.headers.get('location')
  if (location !== null) return new URL(location, new URL(path, server.base)).href
  throw new SelvedgeError('REGISTRY_UNREACHABLE', `no registry at ${server.base}: an upload without Location`)
}

// "The <location> MAY contain critical query parameters": they are kept.
function closing(location: string, { digest }: Blob): string {
  const url = new URL(location)
  url.searchParams.set('digest', digest)
  return url.href
}

function partOf(
  blob: Blob,
  start: number,
  end: number,
  moved: (bytes: number) => void,
): RequestInit & { duplex: 'half' } {
  const headers = {
    'content-type': 'application/octet-stream',
    'content-length': String(end - start),
    // A blob in one piece is the monolithic push, which has no range.
    ...(end - start < blob.size && end > start && { 'content-range': `${start}-${end - 1}` }),
  }
  return { headers, body: ReadableStream.from(readPart(blob, start, end, moved)), duplex: 'half' }
}

async function* readPart(
  { content }: Blob,
  start: number,
  end: number,
  moved: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    yield content.subarray(start, end)
    moved(end - start)
    return
  }
  if (end === start) return
  let read = 0
  for await (const piece of readFilePart(content.file, start, end)) {
    read += piece.length
    yield piece
    moved(read)
  }
  if (read < end - start) throw changed(content.file)
}

async function* readFilePart(file: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file, { start, end: end - 1, highWaterMark: 256 * 1024 })
  } catch (cause) {
    throw new SelvedgeError('USAGE', `"${basename(file)}" cannot be read any more`, {}, { cause })
  }
}

function changed(file: string): SelvedgeError {
  return new SelvedgeError('USAGE', `"${basename(file)}" became shorter while it was sent`)
}

function isUnknownUpload(thrown: unknown): boolean {
  return thrown instanceof SelvedgeError && thrown.code === 'BLOB_UPLOAD_UNKNOWN'
}
