import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { golden as goldenSchema } from '../../../runtime/contract/golden.ts'
import type { ProfileReport } from '../../../runtime/contract/telemetry.ts'
import type { SelvedgeError } from '../../../runtime/errors.ts'
import { openOipClient } from '../../../runtime/oip/client.ts'
import { encodeInferRequest } from '../../../runtime/oip/infer.ts'
import { goldenInputs } from '../../../runtime/scoring/golden.ts'
import type { Tensors } from '../../../runtime/tensor/tensor.ts'
import { createEdge } from '../../../server/edge/edge.ts'
import { createApp } from '../../../server/front/app.ts'
import { type Listener, openListener } from '../../../server/front/listener.ts'
import { openNodeExchange } from '../../../server/front/node-exchange.ts'
import { type Connection, connect } from '../../../server/node.ts'
import { type Files, pushModel, sendJson } from '../../registry/fixture.ts'
import { type RunningRegistry, startRegistry } from '../fixtures/registry.ts'
import { idleScoring } from '../front/fixture.ts'
import { startWorker, type Worker } from './worker.ts'

const samples = fileURLToPath(new URL('../../../dist/demo/', import.meta.url))

const adelie = {
  beak_length_mm: 39.1,
  beak_depth_mm: 18.7,
  flipper_length_mm: 181,
  body_mass_g: 3750,
  island: 'Torgersen',
  sex: 'male',
}

let registry: RunningRegistry
let worker: Worker

beforeAll(async () => {
  registry = await startRegistry(100)
  for (const model of ['digits', 'penguins']) {
    await pushModel(registry.fixture, model, '1', await sampleFiles(`${model}-1`))
    await deploy(model, model)
  }
  await deploy('counted', 'penguins')
  worker = await startWorker({ ...pinned(), endpoints: ['digits', 'penguins', 'counted', 'e'], callers: 'anyone' })
})

afterAll(async () => {
  await worker[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

describe('an edge worker beside a Node host of the same registry', () => {
  let cacheDir: string
  let connection: Connection | undefined

  beforeAll(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'selvedge-cache-'))
  })

  afterAll(async () => {
    await rm(cacheDir, { recursive: true })
  })

  test.each(['digits', 'penguins'])('%s gives the same outputs within 1e-5', async (endpoint) => {
    const inputs = goldenInputs(goldenSchema.parse(await sampleJson(`${endpoint}-1/golden.json`)))
    try {
      connection = await connect(registry.url, endpoint, { key: registry.key, cacheDir })
      const { outputs } = await connection.infer(inputs)
      const edge = await openOipClient(worker.url).infer(endpoint, inputs)
      expectClose(edge.outputs, outputs)
    } finally {
      await connection?.close()
    }
  })

  test('penguins names the same class with the same scores', async () => {
    try {
      connection = await connect(registry.url, 'penguins', { key: registry.key, cacheDir })
      const node = await connection.score(adelie)
      const { predictions } = await openOipClient(worker.url).score('penguins', [adelie])
      const [edge] = predictions
      if (edge === undefined || 'value' in edge || 'value' in node) throw new Error('penguins is a classifier')
      expect([edge.class, node.class]).toEqual(['Adelie', 'Adelie'])
      for (const [name, score] of Object.entries(node.scores)) {
        expect(Math.abs(score - (edge.scores[name] ?? Number.NaN))).toBeLessThan(1e-5)
      }
    } finally {
      await connection?.close()
    }
  })
})

describe('an edge worker', { timeout: 30_000 }, () => {
  test('says who answered, on what', async () => {
    const { headers } = await post('e/score', ones)
    const named = ['deployment', 'version', 'provider'].map((name) => headers.get(`selvedge-${name}`))
    expect(named).toEqual(['blue', '1', 'wasm'])
  })

  test('reports counts that the registry folds: edge, wasm, each row once', async () => {
    const scored = async () => {
      expect((await post('counted/score', JSON.stringify({ records: [adelie, adelie] }))).status).toBe(200)
    }
    const rows = async () => sum((await profiles('counted')).map((profile) => profile.rows))
    await scored()
    await expect.poll(rows, { timeout: 10_000 }).toBe(2)
    // Its first report found that the registry takes gzip.
    await Promise.all([scored(), scored()])
    await expect.poll(rows, { timeout: 10_000 }).toBe(6)
    const found = await profiles('counted')
    expect(new Set(found.map(({ device, provider }) => `${device} ${provider}`))).toEqual(new Set(['edge wasm']))
    expect(sum(found.flatMap(({ counts }) => counts.island ?? []))).toBe(6)
  })

  test('has a new split within seconds, behind the answers that ask for it', async () => {
    const deployment = async () => (await post('e/score', ones)).headers.get('selvedge-deployment')
    expect(await deployment()).toBe('blue')
    await registry.moveTraffic({ green: 100 })
    await expect.poll(deployment, { timeout: 15_000, interval: 200 }).toBe('green')
  })

  test('answers health, metadata and what is not there as a Node server does', async () => {
    const statuses = async (paths: readonly string[]) =>
      await Promise.all(paths.map(async (path) => (await fetch(worker.url + path)).status))
    expect(
      await statuses([
        '/healthz',
        '/readyz',
        '/v2',
        '/v2/models',
        '/v2/models/digits',
        '/v2/models/digits/versions/1/ready',
        '/v2/models/digits/versions/7/ready',
        '/v2/models/other',
        '/metrics',
      ]),
    ).toEqual([200, 200, 200, 200, 200, 200, 503, 404, 200])
  })

  test.each(['gzip', 'deflate'] as const)('takes a body in %s', async (encoding) => {
    const body = await new Response(
      new Blob([ones]).stream().pipeThrough(new CompressionStream(encoding)),
    ).arrayBuffer()
    expect((await post('e/score', body, { 'content-encoding': encoding })).status).toBe(200)
  })

  test('callers that hang up in the midst of others keep nobody from an answer', async () => {
    const inputs = goldenInputs(goldenSchema.parse(await sampleJson('digits-1/golden.json')))
    const { body, headerLength } = encodeInferRequest(inputs)
    const headers = { 'inference-header-content-length': String(headerLength) }
    const asked = Array.from({ length: 60 }, async (_, i) => {
      const leaving = new AbortController()
      const answer = fetch(`${worker.url}/v2/models/digits/infer`, {
        method: 'POST',
        body,
        headers,
        signal: leaving.signal,
      })
      if (i % 3 === 0) setTimeout(() => leaving.abort(), i % 20)
      return await answer.then(async (response) => {
        await response.arrayBuffer()
        return response.status
      })
    })
    const settled = await Promise.allSettled(asked)
    const stayed = settled.filter((_, i) => i % 3 !== 0)
    expect(stayed).toEqual(stayed.map(() => ({ status: 'fulfilled', value: 200 })))
    expect((await post('e/score', ones)).status).toBe(200)
  })

  test('also where the application asks for Node’s names in workerd', async () => {
    await using other = await startWorker({
      ...pinned(),
      endpoints: ['e'],
      callers: 'anyone',
      compatibilityFlags: ['nodejs_compat'],
    })
    expect((await post('e/score', ones, {}, other.url)).status).toBe(200)
  })

  test('answers callers with one of its tokens, and health for none', async () => {
    await using guarded = await startWorker({ ...pinned(), endpoints: ['e'], callers: ['first', 'second'] })
    const status = async (token?: string) =>
      (await post('e/score', ones, token === undefined ? {} : { authorization: `Bearer ${token}` }, guarded.url)).status
    expect([await status('first'), await status('second')]).toEqual([200, 200])
    expect([await status(), await status('firs'), await status('firsu')]).toEqual([401, 401, 401])
    expect((await fetch(`${guarded.url}/healthz`)).status).toBe(200)
  })

  test('refuses options that cannot be right when it is loaded', () => {
    const options = {
      registry: 'registry.example',
      key: 'ed25519:',
      endpoints: [],
      callers: 'anyone' as const,
      wasm: {},
    }
    const refused = expect.objectContaining({ code: 'REFUSED_TO_START' } satisfies Partial<SelvedgeError>)
    expect(() => createEdge(options)).toThrow(refused)
    const bytes = 'https://registry.example/ort.wasm' as unknown as object
    expect(() => createEdge({ ...options, registry: 'https://registry.example', wasm: bytes })).toThrow(refused)
  })
})

describe('pages of any origin', () => {
  let node: Listener

  beforeAll(async () => {
    node = await openListener(createApp({ scoring: idleScoring, exchange: openNodeExchange(), mostBodyBytes: 1024 }), {
      host: '127.0.0.1',
      port: 0,
    })
  })

  afterAll(() => node.close())

  test.each([
    ['OPTIONS', '/v2/models/e/infer'],
    ['GET', '/nothing'],
    ['PUT', '/v2/models/e/infer'],
  ])('%s %s has the same headers at the edge as on Node', async (method, path) => {
    const answerOf = async (url: string) => {
      const { status, headers } = await fetch(url + path, { method })
      return { status, headers: [...headers].filter(([name]) => !ofConnection.has(name)) }
    }
    const edge = await answerOf(worker.url)
    expect(edge.headers.length).toBeGreaterThan(2)
    expect(edge).toEqual(await answerOf(node.url))
  })
})

const ones = JSON.stringify({ records: [{ a: 1, b: 1 }] })
// miniflare compresses for the client, which Cloudflare's front does, too.
const ofConnection = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
])

function pinned(): { registry: string; key: string } {
  return { registry: registry.url, key: registry.key }
}

async function deploy(endpoint: string, model: string): Promise<void> {
  const path = `/api/v1/endpoints/${endpoint}/deployments/blue`
  await sendJson(registry.fixture, 'PUT', path, { model, version: 1 })
}

function post(path: string, body: string | ArrayBuffer, headers: Record<string, string> = {}, url = worker.url) {
  return fetch(`${url}/v2/models/${path}`, { method: 'POST', body, headers })
}

function expectClose(got: Tensors, wanted: Tensors): void {
  expect(Object.keys(got)).toEqual(Object.keys(wanted))
  for (const [name, tensor] of Object.entries(wanted)) {
    const other = got[name]
    expect([other?.datatype, other?.shape]).toEqual([tensor.datatype, tensor.shape])
    const apart = Array.from(tensor.data as Float32Array, (value, i) => Math.abs(value - Number(other?.data[i])))
    expect(Math.max(...apart)).toBeLessThan(1e-5)
  }
}

async function profiles(endpoint: string): Promise<ProfileReport[]> {
  const path = `/api/v1/endpoints/${endpoint}/profiles?since=2020-01-01T00:00:00Z`
  const { items } = (await (await registry.fixture.request(path)).json()) as { items: ProfileReport[] }
  return items
}

function sum(cells: readonly number[]): number {
  return cells.reduce((all, cell) => all + cell, 0)
}

async function sampleFiles(folder: string): Promise<Files> {
  const names = await readdir(join(samples, folder))
  const read = async (name: string) => [name, new Uint8Array(await readFile(join(samples, folder, name)))] as const
  return Object.fromEntries(await Promise.all(names.map(read)))
}

async function sampleJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(samples, path), 'utf8'))
}
