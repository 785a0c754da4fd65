import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { type Connection, connect } from '../../server/node.ts'
import { type RunningRegistry, startRegistry } from './fixtures/registry.ts'

describe('connect in a Node process', { timeout: 30_000 }, () => {
  let registry: RunningRegistry
  let cacheDir: string
  let connection: Connection | undefined

  async function open(options: { unit?: string } = {}): Promise<Connection> {
    connection = await connect(registry.url, 'e', { key: registry.key, cacheDir, ...options })
    return connection
  }

  beforeEach(async () => {
    registry = await startRegistry()
    cacheDir = await mkdtemp(join(tmpdir(), 'selvedge-cache-'))
  })

  afterEach(async () => {
    await connection?.close()
    connection = undefined
    await registry[Symbol.asyncDispose]()
    await rm(cacheDir, { recursive: true })
  })

  test('scores one record, several records and tensors, and says who answered', async () => {
    const { score, infer } = await open()
    const scored = await score({ a: 1, b: 2 })
    expect(scored).toEqual({
      value: 5,
      deployment: 'blue',
      version: 1,
      variant: 'fp32',
      provider: 'cpu',
      why: expect.any(String),
      unit: undefined,
      timings: { queueMs: expect.any(Number), computeMs: expect.any(Number), totalMs: expect.any(Number) },
    })
    expect(scored.timings.totalMs).toBeGreaterThanOrEqual(scored.timings.queueMs + scored.timings.computeMs)
    expect(
      await score([
        { a: 1, b: 0 },
        { a: 0, b: 1 },
      ]),
    ).toMatchObject([{ value: 1 }, { value: 2 }])
    expect(await score([])).toEqual([])
    const { outputs } = await infer({ x: createTensor('FP32', [2, 2], Float32Array.of(1, 2, 3, 4)) })
    expect(outputs).toEqual({ y: { datatype: 'FP32', shape: [2, 1], data: Float32Array.of(5, 11) } })
  })

  test('refuses with the code of what is wrong', async () => {
    const { score, infer } = await open()
    await expect(score({ a: 1, c: 2 })).rejects.toMatchObject({ code: 'FEATURE_UNKNOWN' })
    await expect(infer({ x: createTensor('FP64', [1, 2], new Float64Array(2)) })).rejects.toMatchObject({
      code: 'DATATYPE_MISMATCH',
    })
  })

  test('reports what it counted, once, and state tells what was acknowledged', async () => {
    const { score, report, state, outcome } = await open({ unit: 'anna' })
    const result = await score([
      { a: 1, b: 2 },
      { a: -1, b: 2 },
    ])
    await outcome({ unit: result[0]?.unit }, { paid: true })
    expect(await report()).toBe(true)
    expect(await report()).toBe(true)
    expect(await registry.rows()).toEqual({ blue: 2 })
    expect(await state()).toMatchObject({
      stale: false,
      split: { blue: 100 },
      versions: { blue: 1, green: 2 },
      reported: { rows: 2, dropped: 0, profiles: [{ deployment: 'blue', rows: 2, counts: { a: [1, 1, 0, 0, 0, 0] } }] },
    })
  })

  test('an outcome needs a unit', async () => {
    const { score, outcome } = await open()
    await expect(outcome(await score({ a: 1, b: 2 }), { paid: true })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
    })
  })

  test('follows moved traffic by its long poll', async () => {
    const { score } = await open()
    await registry.moveTraffic({ blue: 0, green: 100 })
    await expect.poll(async () => (await score({ a: 1, b: 2 })).deployment, { timeout: 5000 }).toBe('green')
    expect(await score({ a: 1, b: 2 })).toMatchObject({ value: 11, version: 2 })
  })

  test('starts with the plan and the models it held while the registry is away', async () => {
    const first = await open()
    await first.close()
    await registry.stop()
    const { score, report } = await open()
    expect(await score({ a: 1, b: 2 })).toMatchObject({ value: 5, version: 1 })
    expect(await report()).toBe(false)
  })

  test('scores, reports and follows where plans cannot be kept', async () => {
    await writeFile(join(cacheDir, 'plans'), 'no folder')
    const { score, report } = await open()
    expect(await score({ a: 1, b: 2 })).toMatchObject({ value: 5 })
    expect(await report()).toBe(true)
    await registry.moveTraffic({ blue: 0, green: 100 })
    await expect.poll(async () => (await score({ a: 1, b: 2 })).deployment, { timeout: 5000 }).toBe('green')
  })

  test('is refused for a wrong key, an unknown endpoint and a registry that is not there', async () => {
    const wrong = `ed25519:${'A'.repeat(43)}`
    await expect(connect(registry.url, 'e', { key: wrong, cacheDir })).rejects.toMatchObject({ code: 'PLAN_SIGNATURE' })
    await expect(connect(registry.url, 'nothing', { key: registry.key, cacheDir })).rejects.toMatchObject({
      code: 'ENDPOINT_UNKNOWN',
    })
    await expect(connect('http://127.0.0.1:9', 'e', { key: registry.key, cacheDir })).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
    })
  })

  test('is refused with HOST_CLOSED after close', async () => {
    const { score, close } = await open()
    await close()
    await expect(score({ a: 1, b: 2 })).rejects.toMatchObject({ code: 'HOST_CLOSED' })
  })
})
