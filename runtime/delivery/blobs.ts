/** Blobs by digest, from the store or the network: every 4 MiB chunk checked as it arrives and on every later load. */
import { digestOf, sha256 } from '../bytes.ts'
import type { Digest } from '../contract/names.ts'
import type { PlanFile } from '../contract/plan.ts'
import { type ErrorCode, SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { ModelStore } from './store.ts'
import { orAborted, partsOf, request, type TransferOptions } from './transfer.ts'

/** Where bytes come from. */
export interface Source extends TransferOptions {
  store: ModelStore
  /** Told of what the store could not read or keep: that costs a download at the next start, never an answer now. */
  unkept?: ((error: unknown) => void) | undefined
}

export interface BlobListeners {
  /** The bytes that came of those that the answer announces; not called where the store has them. */
  progress?(doneBytes: number, totalBytes: number): void
  /** The store does not have it: the network is asked. */
  absent?(): void
  /** The bytes before they are proven, for work beside the proof whose outcome is used only behind it. */
  unproven?(bytes: Uint8Array<ArrayBuffer>): void
}

/**
 * A whole blob at once, for what is small or of unknown size.
 *
 * @throws {@link SelvedgeError} `DIGEST_MISMATCH`, `REGISTRY_UNREACHABLE`, the signal's reason
 */
export async function loadBlob(
  url: string,
  digest: Digest,
  source: Source,
  listeners: BlobListeners = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const stored = await readWhole(digest, source, listeners)
  if (stored !== undefined) return stored
  listeners.absent?.()
  const download = async () => {
    source.signal?.throwIfAborted()
    // Another tab may have downloaded it while this one waited.
    const meanwhile = await readWhole(digest, source, listeners)
    if (meanwhile !== undefined) return meanwhile
    const bytes = await fetchWhole(url, digest, source, listeners)
    await ifStored(source.store.writeDocument(digest, bytes), source)
    return bytes
  }
  return await orAborted(source.store.exclusively(digest, download), source.signal)
}

/**
 * A file of a plan: from the store what that holds in full, from the network what it lacks.
 *
 * @throws {@link SelvedgeError} `DIGEST_MISMATCH`, `REGISTRY_UNREACHABLE`, the signal's reason
 */
export async function loadFile(
  url: string,
  file: PlanFile,
  source: Source,
  progress: (doneBytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(file.size)
  const chunks = chunksOf(file, bytes)
  const digest = file.digest as Digest
  let provenBytes = 0
  const proven = (chunk: Chunk) => {
    provenBytes += chunk.bytes.length
    progress(provenBytes)
  }
  const absent = await readChunks(digest, chunks, source, proven)
  if (absent.length === 0) return bytes
  const download = async () => {
    source.signal?.throwIfAborted()
    // Another tab may have downloaded it while this one waited.
    const missing = new Set(await readChunks(digest, absent, source, proven))
    await fetchChunks({ url, file, bytes, chunks, missing, source, progress })
  }
  await orAborted(source.store.exclusively(digest, download), source.signal)
  return bytes
}

function chunksOf(file: PlanFile, bytes: Uint8Array<ArrayBuffer>): Chunk[] {
  return file.chunks.map((hex, index) => {
    const from = index * limits.chunkBytes
    const to = Math.min(from + limits.chunkBytes, file.size)
    return { hex, index, from, to, bytes: bytes.subarray(from, to) }
  })
}

// One chunk is hashed while the next is read. More at once would not be faster and each takes a copy of its bytes.
async function readChunks(
  blob: Digest,
  chunks: readonly Chunk[],
  source: Source,
  proven: (chunk: Chunk) => void,
): Promise<Chunk[]> {
  const absent: Chunk[] = []
  const check = async (chunk: Chunk) => {
    if ((await sha256(chunk.bytes)) === chunk.hex) proven(chunk)
    else absent.push(chunk)
  }
  let checked = Promise.resolve()
  for (const chunk of chunks) {
    const stored = await ifStored(source.store.readChunk(blob, chunk.index, chunk.bytes), source)
    await checked
    checked = stored === true ? check(chunk) : Promise.resolve(void absent.push(chunk))
  }
  await checked
  return absent
}

// A cut connection is taken up again as long as each brings a whole chunk. Bytes that are not those of the plan are
// asked for once more, past the HTTP cache.
async function fetchChunks(download: Download): Promise<void> {
  const { missing } = download
  for (let fresh = false; missing.size > 0; ) {
    const before = missing.size
    try {
      await fetchMissing(download, fresh)
    } catch (thrown) {
      const wrong: boolean = isCode(thrown, 'DIGEST_MISMATCH') && !fresh
      const resumable = isCode(thrown, 'REGISTRY_UNREACHABLE') && missing.size < before
      if (!wrong && !resumable) throw thrown
      fresh ||= wrong
    }
  }
}

async function fetchMissing(download: Download, fresh: boolean): Promise<void> {
  const { url, file, chunks, missing, source } = download
  for (const run of runsOf(missing)) {
    const to = run.to === file.size ? undefined : run.to
    const response = await request(url, { from: run.from, to, fresh }, source)
    // A server that ignores Range sends the file from its start, which is as good.
    const isPart = response.status === 206
    await receive(download, response, isPart ? run.chunks : chunks)
    if (!isPart) return
  }
}

// Chunks that follow one another come in one answer.
function runsOf(missing: ReadonlySet<Chunk>): { from: number; to: number; chunks: Chunk[] }[] {
  const runs: { from: number; to: number; chunks: Chunk[] }[] = []
  for (const chunk of [...missing].sort((a, b) => a.index - b.index)) {
    const last = runs.at(-1)
    if (last?.to === chunk.from) {
      last.to = chunk.to
      last.chunks.push(chunk)
    } else runs.push({ from: chunk.from, to: chunk.to, chunks: [chunk] })
  }
  return runs
}

// One chunk is hashed and stored while the next arrives.
async function receive(download: Download, response: Response, wanted: readonly Chunk[]): Promise<void> {
  const { file, bytes, missing, source } = download
  const end = wanted.at(-1)?.to ?? 0
  let filled = wanted[0]?.from ?? 0
  let next = 0
  let keeping = true
  const prove = async (chunk: Chunk): Promise<string | undefined> => {
    if ((await sha256(chunk.bytes)) !== chunk.hex) return `chunk ${chunk.index} is not what the plan names`
    if (!missing.delete(chunk) || !keeping) return undefined
    const write = source.store.writeChunk(file.digest as Digest, chunk.index, chunk.bytes)
    keeping =
      (await ifStored(
        write.then(() => true),
        source,
      )) === true
    return undefined
  }
  const check = (wrong: string | undefined) => {
    if (wrong !== undefined) throw mismatch(`${file.path}: ${wrong}`, response)
  }
  let proving: Promise<string | undefined> = Promise.resolve(undefined)
  try {
    for await (const part of partsOf(response, file.path, source.signal)) {
      if (filled + part.length > end) check(`more than the ${file.size} bytes that the plan names came`)
      bytes.set(part, filled)
      filled += part.length
      for (let chunk = wanted[next]; chunk !== undefined && chunk.to <= filled; chunk = wanted[++next]) {
        check(await proving)
        proving = prove(chunk)
      }
      download.progress(doneBytes(download, filled))
    }
    check(await proving)
    if (next < wanted.length) check(`${filled} of ${file.size} bytes came`)
  } finally {
    await proving
  }
}

function doneBytes({ chunks, missing }: Download, filled: number): number {
  let sum = 0
  for (const chunk of chunks) {
    const { length } = chunk.bytes
    sum += missing.has(chunk) ? Math.min(Math.max(filled - chunk.from, 0), length) : length
  }
  return sum
}

async function readWhole(
  digest: Digest,
  source: Source,
  { unproven }: BlobListeners,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const stored = await ifStored(source.store.readDocument(digest), source)
  if (stored === undefined) return undefined
  unproven?.(stored)
  return (await digestOf(stored)) === digest ? stored : undefined
}

async function fetchWhole(
  url: string,
  digest: Digest,
  source: Source,
  { progress, unproven }: BlobListeners,
): Promise<Uint8Array<ArrayBuffer>> {
  for (const fresh of [false, true]) {
    const response = await request(url, { fresh }, source)
    const totalBytes = Number(response.headers.get('content-length'))
    const parts: Uint8Array[] = []
    let length = 0
    for await (const part of partsOf(response, url, source.signal)) {
      parts.push(part.slice())
      length += part.length
      progress?.(length, Math.max(totalBytes, length))
    }
    const bytes = new Uint8Array(length)
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.length
    }
    unproven?.(bytes)
    if ((await digestOf(bytes)) === digest) return bytes
    if (fresh) throw mismatch(`the bytes sent for ${digest} have another digest`, response)
  }
  throw new SelvedgeError('INTERNAL', 'a download was neither kept nor refused')
}

function mismatch(message: string, response: Response): SelvedgeError {
  const isPage = response.headers.get('content-type')?.startsWith('text/html')
  return new SelvedgeError('DIGEST_MISMATCH', isPage ? `${message}; an HTML page came in its place` : message)
}

function isCode(thrown: unknown, code: ErrorCode): boolean {
  return thrown instanceof SelvedgeError && thrown.code === code
}

async function ifStored<T>(attempt: Promise<T>, source: Source): Promise<T | undefined> {
  try {
    return await attempt
  } catch (error) {
    source.unkept?.(error)
    return undefined
  }
}

interface Chunk {
  hex: string
  index: number
  /** Place in the file. */
  from: number
  to: number
  bytes: Uint8Array<ArrayBuffer>
}

interface Download {
  url: string
  file: PlanFile
  bytes: Uint8Array<ArrayBuffer>
  chunks: readonly Chunk[]
  /** Chunks leave it once proven. */
  missing: Set<Chunk>
  source: Source
  progress(doneBytes: number): void
}
