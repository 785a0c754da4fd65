import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Digest } from '../../runtime/contract/names.ts'
import { type Plan, plan as planSchema } from '../../runtime/contract/plan.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { loadDeployment } from '../../runtime/loader.ts'
import type { ModelStore } from '../../runtime/store.ts'
import { serve } from '../fixtures/http.ts'
import { scaleDescription } from '../fixtures/models.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Two whole chunks and a part. */
const file = randomBytes(2 * limits.chunkBytes + 1000)
const description = Buffer.from(JSON.stringify(scaleDescription))

describe('loading a deployment', () => {
  let server: Awaited<ReturnType<typeof serve>>
  let requests: { url: string; range: string | undefined; authorization: string | undefined }[]
  let answer: (request: IncomingMessage, response: ServerResponse) => void
  let plan: Plan

  beforeEach(async () => {
    requests = []
    answer = (request, response) => sendBlob(request, response, file)
    server = await serve((request, response) => {
      const { range, authorization } = request.headers
      requests.push({ url: request.url ?? '', range, authorization })
      if (request.url?.endsWith(sha256(description))) response.end(description)
      else answer(request, response)
    })
    plan = planOf(`${server.url}/v2/`)
  })
  afterEach(() => server.close())

  const load = (store: ModelStore) => {
    const [deployment] = plan.deployments
    if (deployment === undefined) throw new Error('the plan has no deployment')
    return loadDeployment(deployment, { plan, providers: ['wasm'], store, token: 'page_1' })
  }

  test('gives the bytes that the plan names and stores every chunk', async () => {
    const store = openMapStore()
    const loaded = await load(store)
    expect(Buffer.compare(loaded.bytes.network, file)).toBe(0)
    expect(loaded.description).toEqual(scaleDescription)
    expect([...store.chunks.keys()]).toEqual(['0', '1', '2'])
    expect(requests.map(({ authorization }) => authorization)).toEqual(['Bearer page_1', 'Bearer page_1'])
  })

  test('asks the network for nothing that the store holds', async () => {
    const store = openMapStore()
    await load(store)
    requests = []
    await load(store)
    expect(requests).toEqual([])
  })

  test('BR-01: fetches again from the first stored chunk whose bytes were changed', async () => {
    const store = openMapStore()
    await load(store)
    requests = []
    store.chunks.get('1')?.fill(7, 100, 101)
    expect(Buffer.compare((await load(store)).bytes.network, file)).toBe(0)
    expect(requests.map(({ range }) => range)).toEqual([`bytes=${limits.chunkBytes}-`])
  })

  test.each([0.01, 0.5, 0.99])(
    'BR-02: a connection cut at %d of the file is refused, and the next load resumes',
    async (part) => {
      const store = openMapStore()
      const cut = Math.floor(file.length * part)
      answer = (_, response) => {
        response.writeHead(200, { 'content-length': file.length })
        response.write(file.subarray(0, cut), () => response.destroy())
      }
      await expect(load(store)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
      // What was still on its way when the connection died is lost with it.
      const kept = store.chunks.size
      expect(kept).toBeLessThanOrEqual(Math.floor(cut / limits.chunkBytes))
      requests = []
      answer = (request, response) => sendBlob(request, response, file)
      expect(Buffer.compare((await load(store)).bytes.network, file)).toBe(0)
      expect(requests[0]?.range).toBe(kept === 0 ? undefined : `bytes=${kept * limits.chunkBytes}-`)
    },
  )

  test('refuses changed, surplus and foreign bytes, and stores none of them', async () => {
    const changed = Buffer.from(file)
    changed[5] = (changed[5] ?? 0) ^ 1
    for (const bytes of [changed, Buffer.concat([file, Buffer.of(0)])]) {
      const store = openMapStore()
      answer = (_, response) => response.end(bytes)
      await expect(load(store)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
      for (const [index, chunk] of store.chunks) {
        const from = Number(index) * limits.chunkBytes
        expect(Buffer.compare(chunk, file.subarray(from, from + chunk.length))).toBe(0)
      }
    }
  })

  test('takes the whole file where the server ignores Range', async () => {
    const store = openMapStore()
    await load(store)
    store.chunks.delete('2')
    answer = (_, response) => response.end(file)
    expect(Buffer.compare((await load(store)).bytes.network, file)).toBe(0)
  })

  test('F-28: scores from memory where the store is full', async () => {
    const full: ModelStore = {
      ...openMapStore(),
      writeChunk: async () => {
        throw new SelvedgeError('STORAGE_FULL', 'no room')
      },
      writeDocument: async () => {
        throw new SelvedgeError('STORAGE_FULL', 'no room')
      },
    }
    expect(Buffer.compare((await load(full)).bytes.network, file)).toBe(0)
  })

  test('says which providers a version is made for where this host has none of them', async () => {
    for (const variant of plan.deployments[0]?.variants ?? []) variant.providers = ['cuda']
    await expect(load(openMapStore())).rejects.toThrow('digits@3 is made for cuda; this host has wasm')
  })
})

function planOf(blobs: string): Plan {
  const plan = planSchema.parse(JSON.parse(readFileSync(new URL('../contract/plan.json', import.meta.url), 'utf8')))
  const chunks = [0, 1, 2].map((i) => sha256(file.subarray(i * limits.chunkBytes, (i + 1) * limits.chunkBytes)))
  const [deployment] = plan.deployments
  if (deployment === undefined) throw new Error('the golden plan has no deployment')
  const { spec: _spec, golden: _golden, ...rest } = deployment
  const files = [{ path: 'model.onnx', digest: `sha256:${sha256(file)}`, size: file.length, chunks }]
  const only = {
    ...rest,
    description: `sha256:${sha256(description)}`,
    variants: [{ id: 'fp32', providers: ['wasm' as const], files }],
  }
  return { ...plan, blobs, deployments: [only] }
}

function sendBlob(request: IncomingMessage, response: ServerResponse, bytes: Buffer): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length - from })
  response.end(bytes.subarray(from))
}

function openMapStore(): ModelStore & { chunks: Map<string, Uint8Array> } {
  const chunks = new Map<string, Uint8Array>()
  const documents = new Map<Digest, Uint8Array<ArrayBuffer>>()
  return {
    chunks,
    async readChunk(_, index, into) {
      const chunk = chunks.get(String(index))
      if (chunk === undefined) return false
      into.set(chunk)
      return true
    },
    async writeChunk(_, index, chunk) {
      chunks.set(String(index), chunk.slice())
    },
    readDocument: async (blob) => documents.get(blob),
    async writeDocument(blob, bytes) {
      documents.set(blob, bytes)
    },
  }
}
