import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Resources } from '../../runtime/contract/resources.ts'
import { encodeInferRequest } from '../../runtime/oip/infer.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import type { PoolOptions } from '../../server/pool.ts'
import { openScorers, type Scorers } from '../../server/scorers.ts'
import type { ScoredAnswer } from '../../server/scoring.ts'
import { planOf, scaling } from './fixtures/served.ts'

const MiB = 1024 ** 2

describe('resources of a deployment, in scorer processes', { timeout: 30_000 }, () => {
  let scorers: Scorers

  async function open(options: Partial<PoolOptions> = {}): Promise<void> {
    scorers = await openScorers({
      count: 1,
      standby: false,
      post: async () => undefined,
      log: () => undefined,
      ...options,
    })
  }

  /** The same version under every revision. */
  async function serve(revision: number, resources?: Resources, endpoint = 'scale'): Promise<void> {
    const { plan, loaded } = planOf(endpoint, 1, scaling(2))
    const deployment = { ...loaded.deployment, ...(resources && { resources }) }
    await scorers.serve({ ...plan, revision, deployments: [deployment] }, async () => [{ ...loaded, deployment }])
  }

  function infer(endpoint = 'scale'): Promise<ScoredAnswer> {
    const { body, headerLength } = encodeInferRequest({ x: createTensor('FP32', [1, 2], Float32Array.of(1, 2)) })
    return scorers.ask('infer', { endpoint, headerLength }, [body])
  }

  /** Requests that shared the run of each answer. */
  async function shared(requests: number): Promise<number[]> {
    const answers = await Promise.all(Array.from({ length: requests }, () => infer()))
    return answers.map(({ by }) => by?.batch.requests ?? 0)
  }

  const pid = () => scorers.processes[0]?.pid ?? 0
  const threadsOf = (process: number) => readdirSync(`/proc/${process}/task`).length

  function addressSpaceOf(process: number): number {
    const limits = readFileSync(`/proc/${process}/limits`, 'utf8')
    return Number(/^Max address space\s+(\d+)/m.exec(limits)?.[1])
  }

  /** Revisions of an endpoint by process, the oldest first. */
  const revisions = (endpoint = 'scale') => scorers.processes.map((scorer) => scorer.plan(endpoint)?.revision)
  const untilRevisions = (wanted: (number | undefined)[], endpoint = 'scale') =>
    vi.waitFor(() => expect(revisions(endpoint)).toEqual(wanted), { timeout: 10_000, interval: 20 })

  const untilStarted = (count: number) =>
    vi.waitFor(() => expect(scorers.processes.filter(({ providers }) => providers)).toHaveLength(count), {
      timeout: 10_000,
      interval: 20,
    })

  afterEach(() => scorers.close())

  test('no more requests share a run than its rows allow', async () => {
    await open()
    await serve(1, { batchRows: 2, batchDelayMs: 100 })
    expect(Math.max(...(await shared(8)))).toBe(2)
    await serve(2, { batchRows: 4, batchDelayMs: 100 })
    expect(Math.max(...(await shared(8)))).toBe(4)
    await serve(3, { batchRows: 1, batchDelayMs: 100 })
    expect(Math.max(...(await shared(8)))).toBe(1)
  })

  test('a request waits for others as long as the delay says', async () => {
    await open()
    await serve(1, { batchDelayMs: 200 })
    expect(await shared(2)).toEqual([2, 2])
    await serve(2)
    expect(await shared(2)).toEqual([1, 1])
  })

  test('a session has the threads that it is given', async () => {
    await open()
    await serve(1)
    const before = threadsOf(pid())
    await serve(2, { threads: 5 })
    // The caller's thread is one of them.
    await vi.waitFor(() => expect(threadsOf(pid())).toBe(before + 4), { timeout: 5000 })
    await serve(3)
    await vi.waitFor(() => expect(threadsOf(pid())).toBe(before), { timeout: 5000 })
  })

  test.skipIf(process.platform !== 'linux')('its memory takes the place of three times its files', async () => {
    await open()
    await serve(1, { memoryMiB: 100 })
    const before = addressSpaceOf(pid())
    await serve(2, { memoryMiB: 356 })
    expect(addressSpaceOf(pid()) - before).toBe(256 * MiB)
    await serve(3)
    expect(before - addressSpaceOf(pid())).toBe(100 * MiB - 3 * scaling(2).network.length)
  })

  test('a process that WebAssembly ran in has no limit any more, which would lie under what it has reserved', async () => {
    await open({ count: 1 })
    const { plan, loaded } = planOf('on-wasm', 1, scaling(2))
    const variant = { ...loaded.variant, providers: ['wasm' as const] }
    const deployment = { ...loaded.deployment, variants: [variant] }
    await scorers.serve({ ...plan, deployments: [deployment] }, async () => [{ ...loaded, deployment, variant }])
    await scorers.withdraw('on-wasm')
    await serve(1)
    expect(addressSpaceOf(pid())).toBeNaN()
    expect((await infer()).status).toBe(200)
  })

  test('as many processes load it as it asks for, and the one that stands by', async () => {
    await open({ count: 3, standby: true })
    await untilStarted(4)
    await serve(1, { scorers: 1 })
    await untilRevisions([1, undefined, undefined, 1])
    await serve(2, { scorers: 2 })
    await untilRevisions([2, 2, undefined, 2])
    await serve(3)
    await untilRevisions([3, 3, 3, 3])
    await serve(4, { scorers: 1 })
    await untilRevisions([4, undefined, undefined, 4])
  })

  test('those that want few processes are spread over them', async () => {
    await open({ count: 2 })
    await untilStarted(2)
    await serve(1, { scorers: 1 }, 'first')
    await serve(1, { scorers: 1 }, 'second')
    const holders = ['first', 'second'].map((endpoint) => revisions(endpoint).indexOf(1))
    expect(holders.sort()).toEqual([0, 1])
  })

  test('where its process dies the one that stood by takes its place, and the next one stands by', async () => {
    await open({ count: 2, standby: true })
    await untilStarted(3)
    await serve(1, { scorers: 1 })
    await untilRevisions([1, undefined, 1])
    const [, , standby] = scorers.processes
    const asked = Array.from({ length: 20 }, () => infer())
    process.kill(pid(), 'SIGKILL')
    expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]))
    await untilRevisions([undefined, 1, 1])
    expect(scorers.processes[1]).toBe(standby)
  })

  test('where another process dies the one that stood by lets go once the next one stands by', async () => {
    await open({ count: 2, standby: true })
    await untilStarted(3)
    await serve(1, { scorers: 1 })
    await untilRevisions([1, undefined, 1])
    process.kill(scorers.processes[1]?.pid ?? 0, 'SIGKILL')
    await vi.waitFor(() => expect(scorers.restarts).toBe(1))
    await untilRevisions([1, undefined, 1])
    expect((await infer()).status).toBe(200)
  })

  test('without one that stands by, the next process takes the place of one that dies', async () => {
    await open({ count: 2 })
    await untilStarted(2)
    await serve(1, { scorers: 1 })
    await untilRevisions([1, undefined])
    const [victim, next] = scorers.processes
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    expect((await infer()).status).toBe(200)
    expect(scorers.processes.find((scorer) => scorer.plan('scale'))).toBe(next)
  })

  test('a provider that is there and not asked for is told apart from one that is not there', async () => {
    await open({ providers: ['cpu'] })
    await untilStarted(1)
    const [scorer] = scorers.processes
    expect(scorer?.providers?.present).toEqual(['cpu'])
    expect(scorer?.providers?.absent).toMatchObject({ wasm: 'not among the providers asked for' })
  })

  test('a change of them alone loses no request', async () => {
    await open({ count: 2, standby: true })
    await serve(1)
    const changes: Resources[] = [
      { scorers: 1 },
      { threads: 2 },
      { batchRows: 4, batchDelayMs: 1 },
      { memoryMiB: 64 },
      {},
    ]
    const statuses = new Set<number>()
    let changing = true
    const asking = Array.from({ length: 4 }, async () => {
      while (changing) statuses.add((await infer()).status)
    })
    for (const [i, resources] of changes.entries()) await serve(i + 2, resources)
    await untilRevisions([6, 6, 6])
    changing = false
    await Promise.all(asking)
    expect([...statuses]).toEqual([200])
  })
})
