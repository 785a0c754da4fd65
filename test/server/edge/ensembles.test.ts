import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openOipClient } from '../../../runtime/oip/client.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'
import { connect } from '../../../server/node.ts'
import { bytesOf, pushModel, sendJson } from '../../registry/fixture.ts'
import { type RunningRegistry, startRegistry } from '../fixtures/registry.ts'
import { scaling } from '../fixtures/served.ts'
import { startWorker, type Worker } from './worker.ts'

const inputs = { raw: createTensor('FP32', [2, 2], Float32Array.of(1, 10, 2, 20)) }
const outputs = { answer: createTensor('FP32', [2, 1], Float32Array.of(42, 84)) }

describe('an ensemble on other hosts than a scoring server', { timeout: 30_000 }, () => {
  let registry: RunningRegistry
  let worker: Worker
  let version: number

  beforeAll(async () => {
    registry = await startRegistry(100)
    const { network, description } = scaling(2)
    const files = { 'model.onnx': new Uint8Array(network), 'selvedge.json': bytesOf(description) }
    await pushModel(registry.fixture, 'twice', '1', files)
    const steps = [
      { model: 'twice', version: 1, inputs: { x: 'raw' }, outputs: { y: 'mid' } },
      { model: 'a', version: 1, inputs: { x: 'mid' }, outputs: { y: 'answer' } },
    ]
    const body = { kind: 'ensemble', steps, outputs: ['answer'] }
    const made = await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/f/deployments/blue', body)
    version = ((await made.json()) as { version: number }).version
    worker = await startWorker({ registry: registry.url, key: registry.key, endpoints: ['f'], callers: 'anyone' })
  })

  afterAll(async () => {
    await worker[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  test('answers in an edge isolate, shows its border there, and is counted', async () => {
    const client = openOipClient(worker.url)
    expect(await client.infer('f', inputs)).toMatchObject({ outputs, version: String(version) })
    expect(await (await fetch(`${worker.url}/v2/models/f`)).json()).toMatchObject({
      versions: [String(version)],
      inputs: [{ name: 'raw', datatype: 'FP32', shape: [-1, 2] }],
    })
    const rows = async () => {
      await client.infer('f', inputs)
      const answer = await registry.fixture.request('/api/v1/endpoints/f/profiles?since=2020-01-01T00:00:00Z')
      const { items } = (await answer.json()) as { items: Record<string, unknown>[] }
      return items.map(({ deployment, version, variant, device }) => [deployment, version, variant, device])
    }
    await expect.poll(rows, { timeout: 10_000 }).toEqual([['blue', version, 'ensemble', 'edge']])
  })

  test('answers in a Node process that connects', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'selvedge-cache-'))
    const connection = await connect(registry.url, 'f', { key: registry.key, cacheDir })
    try {
      expect(await connection.infer(inputs)).toMatchObject({
        outputs,
        deployment: 'blue',
        variant: 'ensemble',
        version,
      })
      expect((await connection.state()).versions).toEqual({ blue: version })
    } finally {
      await connection.close()
      await rm(cacheDir, { recursive: true })
    }
  })
})
