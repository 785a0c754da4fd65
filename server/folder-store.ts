/** ModelStore in a folder: a file a chunk and a file a document, written aside and renamed. */
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { randomId } from '../runtime/bytes.ts'
import type { Digest } from '../runtime/contract/names.ts'
import type { ModelStore } from '../runtime/delivery/store.ts'
import { SelvedgeError } from '../runtime/errors.ts'

/** What a host keeps: blobs by digest, and the signed plan that it held last. */
export interface FolderStore extends ModelStore {
  readPlan(registry: string, endpoint: string): Promise<string | undefined>
  writePlan(registry: string, endpoint: string, jws: string): Promise<void>
}

/** Where a host keeps its blobs when nobody says otherwise. */
export function defaultCacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'selvedge')
}

/** @param folder - made when it is first written to; several processes may share it */
export function openFolderStore(folder: string): FolderStore {
  // A digest is a safe name of a file: it is checked where a plan is parsed. An address and a name are hashed.
  const chunkFile = (blob: Digest, index: number) => join(folder, 'chunks', blob.slice('sha256:'.length), String(index))
  const documentFile = (blob: Digest) => join(folder, 'documents', blob.slice('sha256:'.length))
  const planFile = (...parts: string[]) =>
    join(folder, 'plans', createHash('sha256').update(JSON.stringify(parts)).digest('hex'))

  // Of this process: files are renamed into place, so two processes that download one blob do no harm.
  const downloads = new Map<Digest, Promise<unknown>>()

  return {
    readChunk: (blob, index, into) => readInto(chunkFile(blob, index), into),
    writeChunk: (blob, index, chunk) => write(chunkFile(blob, index), chunk),
    readDocument: (blob) => read(documentFile(blob)),
    writeDocument: (blob, bytes) => write(documentFile(blob), bytes),
    exclusively: (blob, use) => alone(downloads, blob, use),
    async readPlan(registry, endpoint) {
      const bytes = await read(planFile(registry, endpoint))
      return bytes && new TextDecoder().decode(bytes)
    },
    writePlan: (registry, endpoint, jws) => write(planFile(registry, endpoint), Buffer.from(jws)),
  }
}

async function alone<T>(running: Map<Digest, Promise<unknown>>, blob: Digest, use: () => Promise<T>): Promise<T> {
  const before = running.get(blob) ?? Promise.resolve()
  // Whoever waits has a turn of its own, however the one before ended.
  const turn = before.then(use, use)
  running.set(blob, turn)
  try {
    return await turn
  } finally {
    if (running.get(blob) === turn) running.delete(blob)
  }
}

async function read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

async function readInto(file: string, into: Uint8Array): Promise<boolean> {
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(file)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
  }
  try {
    const { size } = await handle.stat()
    if (size !== into.length) return false
    const { bytesRead } = await handle.read(into, 0, into.length, 0)
    return bytesRead === into.length
  } finally {
    await handle.close()
  }
}

// No fsync: a torn file after a loss of power has another digest and is fetched again.
async function write(file: string, bytes: Uint8Array): Promise<void> {
  const aside = `${file}.${randomId()}`
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(aside, bytes)
    await rename(aside, file)
  } catch (cause) {
    await rm(aside, { force: true })
    if (isCode(cause, 'ENOSPC') || isCode(cause, 'EDQUOT')) {
      throw new SelvedgeError('STORAGE_FULL', 'the cache folder has no room left', {}, { cause })
    }
    throw cause
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
