import { beforeEach, describe, expect, test } from 'vitest'
import type { Digest } from '../../../runtime/contract/names.ts'
import { type EdgeCache, openEdgeCache } from '../../../server/edge/cache.ts'

const blob: Digest = `sha256:${'a'.repeat(64)}`

describe('the platform’s cache as a store', () => {
  let entries: Map<string, Response>
  let cache: EdgeCache

  beforeEach(() => {
    entries = new Map()
    cache = openEdgeCache({
      match: async (url) => entries.get(url)?.clone(),
      put: async (url, response) => void entries.set(url, response),
    })
  })

  test('gives back what was kept, chunk by chunk', async () => {
    await cache.writeChunk(blob, 0, Uint8Array.of(1, 2))
    await cache.writeChunk(blob, 1, Uint8Array.of(3))
    await cache.writeDocument(blob, Uint8Array.of(4))
    const [first, second] = [new Uint8Array(2), new Uint8Array(1)]
    expect([await cache.readChunk(blob, 0, first), await cache.readChunk(blob, 1, second)]).toEqual([true, true])
    expect([...first, ...second, ...((await cache.readDocument(blob)) ?? [])]).toEqual([1, 2, 3, 4])
  })

  test('a chunk of another length is not there', async () => {
    await cache.writeChunk(blob, 0, Uint8Array.of(1, 2))
    const into = new Uint8Array(3)
    expect([await cache.readChunk(blob, 0, into), [...into]]).toEqual([false, [0, 0, 0]])
  })

  test('plans are kept by registry and endpoint', async () => {
    await cache.writePlan('https://a.example', 'e', 'signed')
    expect(await cache.readPlan('https://a.example', 'e')).toBe('signed')
    expect(await cache.readPlan('https://b.example', 'e')).toBeUndefined()
    expect(await cache.readPlan('https://a.example', 'f')).toBeUndefined()
  })

  test('what is kept may stay for a year', async () => {
    await cache.writeDocument(blob, Uint8Array.of(1))
    const kept = [...entries.values()].map(({ headers }) => headers.get('cache-control'))
    expect(kept).toEqual(['public, max-age=31536000'])
  })

  test('where the platform has none, nothing is there and nothing fails', async () => {
    const none = openEdgeCache(undefined)
    await none.writeDocument(blob, Uint8Array.of(1))
    expect([await none.readDocument(blob), await none.readChunk(blob, 0, new Uint8Array(1))]).toEqual([
      undefined,
      false,
    ])
  })
})
