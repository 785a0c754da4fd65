/** The platform's cache as a ModelStore and as a place for signed plans: shared by isolates, it may forget anything. */
import type { Digest } from '../../runtime/contract/names.ts'
import type { ModelStore } from '../../runtime/delivery/store.ts'
import type { PlatformCache } from './platform.ts'

export interface EdgeCache extends ModelStore {
  readPlan(registry: string, endpoint: string): Promise<string | undefined>
  writePlan(registry: string, endpoint: string, jws: string): Promise<void>
}

/** @param cache - without one nothing is kept, and every cold start downloads */
export function openEdgeCache(cache: PlatformCache | undefined): EdgeCache {
  async function read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const found = await cache?.match(base + path)
    return found && new Uint8Array(await found.arrayBuffer())
  }

  async function write(path: string, body: Uint8Array<ArrayBuffer> | string): Promise<void> {
    await cache?.put(base + path, new Response(body, { headers: { 'cache-control': 'public, max-age=31536000' } }))
  }

  return {
    async readChunk(blob, index, into) {
      const stored = await read(chunkPath(blob, index))
      if (stored?.length !== into.length) return false
      into.set(stored)
      return true
    },
    writeChunk: (blob, index, chunk) => write(chunkPath(blob, index), chunk),
    readDocument: (blob) => read(`blobs/${blob}`),
    writeDocument: (blob, bytes) => write(`blobs/${blob}`, bytes),
    // Isolates share no lock: two that start at once download both.
    exclusively: (_, use) => use(),
    async readPlan(registry, endpoint) {
      const stored = await read(planPath(registry, endpoint))
      return stored && new TextDecoder().decode(stored)
    },
    writePlan: (registry, endpoint, jws) => write(planPath(registry, endpoint), jws),
  }
}

// Keys are addresses; nobody answers at this one (RFC 2606).
const base = 'https://selvedge.invalid/'

function chunkPath(blob: Digest, index: number): string {
  return `blobs/${blob}/${index}`
}

function planPath(registry: string, endpoint: string): string {
  return `plans/${encodeURIComponent(registry)}/${endpoint}`
}
