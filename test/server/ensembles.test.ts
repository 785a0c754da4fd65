import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeInferResponse, encodeInferRequest } from '../../runtime/oip/infer.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { bytesOf, pushModel, sendJson } from '../registry/fixture.ts'
import { type RunningRegistry, startRegistry } from './fixtures/registry.ts'
import { scaling } from './fixtures/served.ts'
import { type RunningServer, startServer } from './fixtures/server.ts'

/** raw → ·2 → mid → a + 2b → answer */
const ensemble = {
  kind: 'ensemble',
  steps: [
    { model: 'a', version: 1, inputs: { x: 'mid' }, outputs: { y: 'answer' } },
    { model: 'twice', version: 1, inputs: { x: 'raw' }, outputs: { y: 'mid' } },
  ],
  outputs: ['answer', 'mid'],
}

describe('an ensemble from the registry to an answer', { timeout: 60_000 }, () => {
  let registry: RunningRegistry
  let server: RunningServer
  let version: number

  const put = (endpoint: string, body: unknown, deployment = 'blue') =>
    sendJson(registry.fixture, 'PUT', `/api/v1/endpoints/${endpoint}/deployments/${deployment}`, body)

  async function pushScaling(model: string, reference: string, factor: number): Promise<void> {
    const { network, description } = scaling(factor)
    const files = { 'model.onnx': new Uint8Array(network), 'selvedge.json': bytesOf(description) }
    expect((await pushModel(registry.fixture, model, reference, files)).status).toBe(201)
  }

  const get = async (path: string) => (await fetch(`${server.url}${path}`)).json()

  async function infer(a: number, b: number, path = 'f'): Promise<Response> {
    const { body, headerLength } = encodeInferRequest({ raw: createTensor('FP32', [1, 2], Float32Array.of(a, b)) })
    const headers = { 'inference-header-content-length': String(headerLength) }
    return await fetch(`${server.url}/v2/models/${path}/infer`, { method: 'POST', body: new Uint8Array(body), headers })
  }

  async function outputsOf(answer: Response) {
    const length = answer.headers.get('inference-header-content-length')
    return decodeInferResponse(new Uint8Array(await answer.arrayBuffer()), length === null ? undefined : Number(length))
      .outputs
  }

  beforeEach(async () => {
    registry = await startRegistry(100)
    await pushScaling('twice', '1', 2)
    const made = await put('f', ensemble)
    version = ((await made.json()) as { version: number }).version
    server = await startServer(registry, '--scorers', '1', '--endpoint', 'f')
    await server.untilReady('f')
  })

  afterEach(async () => {
    await server[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  test('gives what its steps give, and says who answered', async () => {
    const answer = await infer(1, 10)
    expect(answer.headers.get('selvedge-deployment')).toBe('blue')
    expect(answer.headers.get('selvedge-version')).toBe(String(version))
    expect(await outputsOf(answer)).toEqual({
      answer: createTensor('FP32', [1, 1], Float32Array.of(42)),
      mid: createTensor('FP32', [1, 2], Float32Array.of(2, 20)),
    })
    const pinned = await infer(1, 10, `f/versions/${version}`)
    expect((await outputsOf(pinned)).answer?.data).toEqual(Float32Array.of(42))
  })

  test('shows its inputs and outputs', async () => {
    // A scorer serves the plan a moment before the front knows it.
    await expect
      .poll(() => get('/v2/models/f'))
      .toEqual({
        name: 'f',
        versions: [String(version)],
        platform: 'ensemble',
        inputs: [{ name: 'raw', datatype: 'FP32', shape: [-1, 2] }],
        outputs: [
          { name: 'answer', datatype: 'FP32', shape: [-1, 1] },
          { name: 'mid', datatype: 'FP32', shape: [-1, 2] },
        ],
        features: [
          { name: 'a', kind: 'numeric', input: 'raw', index: 0 },
          { name: 'b', kind: 'numeric', input: 'raw', index: 1 },
        ],
        output: { kind: 'regression', tensor: 'answer' },
      })
  })

  test('scores records by the features of its inputs', async () => {
    const body = '{"records":[{"a":1,"b":10},{"a":2,"b":20}]}'
    const answer = await fetch(`${server.url}/v2/models/f/score`, { method: 'POST', body })
    expect(await answer.json()).toMatchObject({ predictions: [{ value: 42 }, { value: 84 }] })
  })

  test('refuses what does not fit its border', async () => {
    const body = '{"inputs":[{"name":"raw","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]}'
    const wrong = await fetch(`${server.url}/v2/models/f/infer`, { method: 'POST', body })
    expect([wrong.status, wrong.headers.get('selvedge-error')]).toEqual([400, 'SHAPE_MISMATCH'])
    const records = await fetch(`${server.url}/v2/models/f/score`, { method: 'POST', body: '{"records":[{"mid":1}]}' })
    expect([records.status, records.headers.get('selvedge-error')]).toEqual([400, 'FEATURE_UNKNOWN'])
  })

  test('is counted by the registry under its deployment and version', async () => {
    for (let i = 0; i < 3; i++) expect((await infer(i, i)).status).toBe(200)
    const rows = async () => {
      const answer = await registry.fixture.request('/api/v1/endpoints/f/profiles?since=2020-01-01T00:00:00Z')
      const { items } = (await answer.json()) as { items: Record<string, unknown>[] }
      return items.map((each) => [each.deployment, each.version, each.variant, each.provider, each.rows])
    }
    await expect.poll(rows, { timeout: 10_000 }).toEqual([['blue', version, 'ensemble', 'cpu', 3]])
  })

  test('takes the place of a version, and a version its, without a lost or mixed answer', async () => {
    await pushScaling('twice', '2', 3)
    let asking = true
    const seen = new Set<string>()
    const askers = Array.from({ length: 4 }, async () => {
      while (asking) {
        const answer = await infer(1, 10)
        const by = answer.headers.get('selvedge-version') ?? `${answer.status} ${answer.headers.get('selvedge-error')}`
        seen.add(`${by}: ${(await outputsOf(answer)).answer?.data}`)
      }
    })
    const [first, second] = ensemble.steps
    const made = await put('f', { ...ensemble, steps: [first, { ...second, version: 2 }] })
    const next = ((await made.json()) as { version: number }).version
    await expect.poll(() => seen.has(`${next}: 63`), { timeout: 20_000 }).toBe(true)
    asking = false
    await Promise.all(askers)
    expect([...seen].sort()).toEqual([`${version}: 42`, `${next}: 63`])
  })
})
