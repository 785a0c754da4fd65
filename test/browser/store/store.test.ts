import { type Remote, wrap } from 'comlink'
import { deleteDB } from 'idb'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Digest } from '../../../runtime/contract/names.ts'
import { limits } from '../../../runtime/limits.ts'
import type { StoreApi } from '../store-worker.ts'

const blobs = ['a', 'b', 'c'].map((digit) => `sha256:${digit.repeat(64)}` as Digest)
const [blob, second, third] = blobs as [Digest, Digest, Digest]

describe.each(['opfs', 'indexeddb'] as const)('model store of a page in %s', (kind) => {
  let workers: Worker[]
  let store: Remote<StoreApi>

  async function openWorker(budgetBytes?: number): Promise<Remote<StoreApi>> {
    const worker = new Worker(new URL('../store-worker.ts', import.meta.url), { type: 'module' })
    workers.push(worker)
    const opened = wrap<StoreApi>(worker)
    expect(await opened.open(kind, budgetBytes)).toBe(kind)
    return opened
  }

  const clear = async () => {
    const root = await navigator.storage.getDirectory()
    for await (const name of root.keys()) await root.removeEntry(name, { recursive: true })
    await deleteDB('selvedge-blobs')
  }

  beforeEach(async () => {
    workers = []
    await clear()
    store = await openWorker()
  })
  afterEach(async () => {
    for (const worker of workers) worker.terminate()
  })

  test('gives back chunks in any order, and none that was not written', async () => {
    const last = Uint8Array.of(7, 8, 9)
    await store.writeChunk(blob, 1, last)
    expect(await store.readChunk(blob, 1, 3)).toEqual(last)
    expect(await store.readChunk(blob, 2, 3)).toBeUndefined()
    expect(await store.readChunk(second, 0, 3)).toBeUndefined()
  })

  test('says that a torn chunk is not there', async () => {
    await store.writeChunk(blob, 0, new Uint8Array(1000))
    expect(await store.readChunk(blob, 0, limits.chunkBytes)).toBeUndefined()
  })

  test('a document replaces the one before, a shorter one too', async () => {
    await store.writeDocument(blob, Uint8Array.of(1, 2, 3, 4))
    await store.writeDocument(blob, Uint8Array.of(5))
    expect(await store.readDocument(blob)).toEqual(Uint8Array.of(5))
    expect(await store.readDocument(second)).toBeUndefined()
  })

  test('F-29: what one tab writes while another reads is kept, and read whole or not at all', async () => {
    const other = await openWorker()
    const chunks = Array.from({ length: 16 }, (_, i) => new Uint8Array(limits.chunkBytes / 8).fill(i + 1))
    const reading = Array.from({ length: 32 }, () => other.readChunk(blob, 0, limits.chunkBytes / 8))
    await Promise.all(chunks.map((chunk, i) => store.writeChunk(blob, i * 8, chunk)))
    for (const read of await Promise.all(reading)) if (read !== undefined) expect(read).toEqual(chunks[0])
    for (const [i, chunk] of chunks.entries()) {
      expect(await other.readChunk(blob, i * 8, chunk.length)).toEqual(chunk)
    }
  })

  test('F-29: one tab at a time has a blob; one that dies gives it to the next', async () => {
    const other = await openWorker()
    await store.hold(blob)
    await other.hold(second)
    let isHeld = false
    const waiting = other.hold(blob).then(() => {
      isHeld = true
    })
    // Another round through the same worker: its wait had every chance to end.
    await other.readChunk(blob, 0, 3)
    expect(isHeld).toBe(false)
    workers[0]?.terminate()
    await waiting
  })

  test('trims to its budget, least recently used first', async () => {
    const small = await openWorker(2500)
    const write = (each: Digest) => small.writeDocument(each, new Uint8Array(1000))
    for (const step of [() => write(blob), () => write(second), () => small.trim([blob]), () => write(third)]) {
      await step()
      await nextMillisecond()
    }
    await small.trim([])
    expect((await small.readDocument(blob))?.length).toBe(1000)
    expect(await small.readDocument(second)).toBeUndefined()
    expect((await small.readDocument(third))?.length).toBe(1000)
  })

  test('keeps all that is in use, even past its budget, and what another tab downloads', async () => {
    const small = await openWorker(1500)
    for (const each of [blob, second, third]) await small.writeDocument(each, new Uint8Array(1000))
    await store.hold(third)
    await small.trim([blob, second])
    expect((await small.readDocument(blob))?.length).toBe(1000)
    expect((await small.readDocument(second))?.length).toBe(1000)
    expect((await small.readDocument(third))?.length).toBe(1000)
    await store.letGo()
    await small.trim([blob, second])
    expect(await small.readDocument(third)).toBeUndefined()
  })
})

// Two uses in one millisecond have no order.
async function nextMillisecond(): Promise<void> {
  const now = Date.now()
  await vi.waitUntil(() => Date.now() > now, { interval: 1 })
}
