import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type SignedRegistry, startSigned } from './signed.ts'
import { startWorker, type Worker } from './worker.ts'

describe('an edge worker whose registry gives what it must refuse', { timeout: 30_000 }, () => {
  let registry: SignedRegistry
  let worker: Worker | undefined

  beforeEach(async () => {
    registry = await startSigned()
  })

  afterEach(async () => {
    await worker?.[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  async function start(options: Partial<Parameters<typeof startWorker>[0]> = {}): Promise<void> {
    const { url, key } = registry
    worker = await startWorker({ registry: url, key, endpoints: ['e'], callers: 'anyone', ...options })
  }

  async function score(): Promise<{ status: number; code: string | null; body: unknown }> {
    const body = JSON.stringify({ records: [{ a: 1, b: 2 }] })
    const answer = await fetch(`${worker?.url}/v2/models/e/score`, { method: 'POST', body })
    return { status: answer.status, code: answer.headers.get('selvedge-error'), body: await answer.json() }
  }

  test('scores with a plan of the pinned key', async () => {
    await start()
    expect(await score()).toMatchObject({ status: 200, body: { predictions: [{ value: 5 }] } })
  })

  test('a plan that another key signed is not adopted, and its blobs are not asked for', async () => {
    const { privateKey } = await generateKeyPair('Ed25519')
    await registry.change({}, privateKey)
    await start()
    expect(await score()).toMatchObject({ status: 422, code: 'PLAN_SIGNATURE' })
    expect(registry.asked).toEqual([])
  })

  test('an expired plan is not adopted', async () => {
    const expiresAt = new Date(Date.now() - 1000).toISOString()
    await registry.change({ expiresAt })
    await start()
    expect(await score()).toEqual({
      status: 422,
      code: 'PLAN_EXPIRED',
      body: { error: `the plan expired at ${expiresAt}` },
    })
  })

  test('a damaged blob is never run: it is asked for twice and refused', async () => {
    registry.damaged.set(registry.networkDigest, new Uint8Array(10))
    await start()
    expect(await score()).toMatchObject({ status: 500, code: 'DIGEST_MISMATCH' })
    expect(registry.asked.filter((digest) => digest === registry.networkDigest)).toHaveLength(2)
  })

  test('a model over the ceiling is refused with its size and the ceiling, before it is downloaded', async () => {
    await registry.change({ deployments: registry.sized(60_000_000) })
    await start()
    expect(await score()).toEqual({
      status: 422,
      code: 'MODEL_LIMIT',
      body: { error: 'the models of e have 60.0 MB: an edge isolate takes 59.8 MB in all' },
    })
    expect(registry.asked).toEqual([])
    const ready = await fetch(`${worker?.url}/v2/health/ready`)
    expect([ready.status, await ready.json()]).toEqual([503, { ready: false, error: 'not loaded yet: e' }])
  })

  test('a registry that is gone is named, and asked again later', async () => {
    registry.down = true
    await start()
    expect(await score()).toMatchObject({ status: 503, code: 'REGISTRY_UNREACHABLE' })
    registry.down = false
    await expect.poll(async () => (await score()).status, { timeout: 10_000 }).toBe(200)
  })

  test('a cold start takes blobs from the platform’s cache, and without a registry the plan too', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'selvedge-edge-'))
    try {
      await start({ cacheDir })
      expect((await score()).status).toBe(200)
      await worker?.[Symbol.asyncDispose]()
      registry.asked = []
      await start({ cacheDir })
      expect((await score()).status).toBe(200)
      expect(registry.asked).toEqual([])
      await worker?.[Symbol.asyncDispose]()
      registry.down = true
      await start({ cacheDir })
      expect((await score()).status).toBe(200)
    } finally {
      await worker?.[Symbol.asyncDispose]()
      worker = undefined
      await rm(cacheDir, { recursive: true })
    }
  })

  test('where the clock stands still, answers and reports name no latency', async () => {
    await start({ before: 'performance.now = () => 0' })
    const body = JSON.stringify({ records: [{ a: 1, b: 2 }] })
    const answer = await fetch(`${worker?.url}/v2/models/e/score`, { method: 'POST', body })
    expect([answer.status, answer.headers.get('server-timing')]).toEqual([200, null])
    await expect.poll(() => registry.reports.length).toBeGreaterThan(0)
    expect(registry.reports.at(-1)?.profiles[0]).toMatchObject({ rows: 1, latency: new Array(33).fill(0) })
  })
})
