import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Digest } from '../../../runtime/contract/names.ts'
import { type Plan, plan as planSchema } from '../../../runtime/contract/plan.ts'
import { type LoadOptions, loadDeployment } from '../../../runtime/delivery/loader.ts'
import type { ModelStore } from '../../../runtime/delivery/store.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { limits } from '../../../runtime/limits.ts'
import { serve } from '../../fixtures/http.ts'
import { scaleDescription } from '../../fixtures/models.ts'

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

  const load = (store: ModelStore, options: Partial<LoadOptions> = {}) => {
    const [deployment] = plan.deployments
    if (deployment === undefined) throw new Error('the plan has no deployment')
    return loadDeployment(deployment, { plan, providers: ['wasm'], store, token: 'page_1', ...options })
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

  test('BR-01: fetches again exactly the stored chunks whose bytes were changed', async () => {
    const store = openMapStore()
    await load(store)
    requests = []
    store.chunks.get('0')?.fill(7, 100, 101)
    store.chunks.get('2')?.fill(7, 100, 101)
    expect(Buffer.compare((await load(store)).bytes.network, file)).toBe(0)
    const last = 2 * limits.chunkBytes
    expect(requests.map(({ range }) => range)).toEqual([`bytes=0-${limits.chunkBytes - 1}`, `bytes=${last}-`])
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

  test('BR-02: a connection that is cut again and again is taken up as long as each brings a chunk', async () => {
    const store = openMapStore()
    const written = [0, 1, 2].map(() => Promise.withResolvers<void>())
    const write = store.writeChunk
    store.writeChunk = async (blob, index, chunk) => {
      await write(blob, index, chunk)
      written[index]?.resolve()
    }
    answer = (request, response) => {
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const part = file.subarray(from, from + limits.chunkBytes)
      response.writeHead(from > 0 ? 206 : 200, { 'content-length': file.length - from })
      response.write(part)
      if (from + part.length === file.length) response.end()
      else void written[from / limits.chunkBytes]?.promise.then(() => response.destroy())
    }
    expect(Buffer.compare((await load(store)).bytes.network, file)).toBe(0)
    const ranges = requests.filter(({ url }) => url.endsWith(sha256(file))).map(({ range }) => range)
    expect(ranges).toEqual([undefined, `bytes=${limits.chunkBytes}-`, `bytes=${2 * limits.chunkBytes}-`])
  })

  test('refuses changed, surplus and missing bytes and a page in their place, and stores none of them', async () => {
    const changed = Buffer.from(file)
    changed[5] = (changed[5] ?? 0) ^ 1
    const page = Buffer.from('<!doctype html><title>Sign in to this network</title>')
    for (const bytes of [changed, Buffer.concat([file, Buffer.of(0)]), file.subarray(0, -1), page]) {
      const store = openMapStore()
      const type = bytes === page ? 'text/html' : 'application/octet-stream'
      answer = (_, response) => response.setHeader('content-type', type).end(bytes)
      await expect(load(store)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
      if (bytes === page) await expect(load(store)).rejects.toThrow('an HTML page came in its place')
      for (const [index, chunk] of store.chunks) {
        const from = Number(index) * limits.chunkBytes
        expect(Buffer.compare(chunk, file.subarray(from, from + chunk.length))).toBe(0)
      }
    }
  })

  test('asks once more, past caches, where other bytes come than the plan names', async () => {
    let asked = 0
    answer = (request, response) => {
      if (++asked > 1) return sendBlob(request, response, file)
      response.setHeader('content-type', 'text/html').end('<!doctype html>')
    }
    expect(Buffer.compare((await load(openMapStore())).bytes.network, file)).toBe(0)
    expect(asked).toBe(2)
  })

  test('tells the bytes that are there, never fewer than before, up to all', async () => {
    const told: number[] = []
    await load(openMapStore(), { progress: (done) => told.push(done) })
    expect(told.toSorted((a, b) => a - b)).toEqual(told)
    expect(told.at(-1)).toBe(file.length)
  })

  test('F-29: two loads at once download a file and a document once', async () => {
    const store = openMapStore()
    const [first, second] = await Promise.all([load(store), load(store)])
    expect(Buffer.compare(first.bytes.network, second.bytes.network)).toBe(0)
    expect(requests).toHaveLength(2)
  })

  test('a load that waits for another one ends at once when it is aborted', async () => {
    const store = openMapStore()
    const held = Promise.withResolvers<void>()
    const holding = store.exclusively(plan.deployments[0]?.variants[0]?.files[0]?.digest as Digest, () => held.promise)
    const stop = new AbortController()
    const loading = load(store, { signal: stop.signal })
    stop.abort(new Error('the page gave up'))
    await expect(loading).rejects.toThrow('the page gave up')
    held.resolve()
    await holding
    expect(requests).toEqual([])
  })

  test('takes the whole file where the server ignores Range', async () => {
    const store = openMapStore()
    await load(store)
    store.chunks.delete('2')
    answer = (_, response) => response.end(file)
    expect(Buffer.compare((await load(store)).bytes.network, file)).toBe(0)
  })

  test('F-28: scores from memory where the store is full or broken, and says so', async () => {
    for (const error of [new SelvedgeError('STORAGE_FULL', 'no room'), new Error('the disk is gone')]) {
      const fail = async () => {
        throw error
      }
      const broken: ModelStore = { ...openMapStore(), writeChunk: fail, writeDocument: fail, readDocument: fail }
      const unkept: unknown[] = []
      const loaded = await load(broken, { unkept: (thrown) => unkept.push(thrown) })
      expect(Buffer.compare(loaded.bytes.network, file)).toBe(0)
      // One file whose first chunk was refused; a document read before and under the lock, then written.
      expect(unkept).toEqual([error, error, error, error])
    }
  })

  test('says which providers a version is made for where this host has none of them', async () => {
    for (const variant of plan.deployments[0]?.variants ?? []) variant.providers = ['cuda']
    await expect(load(openMapStore())).rejects.toThrow('digits@3 is made for cuda; this host has wasm')
  })
})

function planOf(blobs: string): Plan {
  const plan = planSchema.parse(JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')))
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
  const [, from, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const part = bytes.subarray(Number(from ?? 0), last ? Number(last) + 1 : bytes.length)
  response.writeHead(from === undefined ? 200 : 206, { 'content-length': part.length })
  response.end(part)
}

function openMapStore(): ModelStore & { chunks: Map<string, Uint8Array> } {
  const chunks = new Map<string, Uint8Array>()
  const documents = new Map<Digest, Uint8Array<ArrayBuffer>>()
  let last: Promise<unknown> = Promise.resolve()
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
    exclusively(_, use) {
      const turn = last.then(use, use)
      last = turn
      return turn
    },
  }
}
