/** What a host does about threads, with measurements put in their place. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  explainThreads,
  type KeptTrials,
  openThreads,
  type Subject,
  type Threads,
  type ThreadsOptions,
  type ThreadTrial,
  threadsToTry,
} from '../../browser/threads.ts'
import type { Plan, PlanDeployment } from '../../runtime/contract/plan.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { Answer } from '../../runtime/scoring/scorer.ts'

const deployment = (name: string) =>
  ({ name, version: 1, manifest: `sha256:${name}`, golden: 'sha256:golden' }) as unknown as PlanDeployment
const planOf = (...names: string[]) => ({ deployments: names.map(deployment) }) as unknown as Plan
const subjectsOf = (plan: Plan, bytes = 1000): Subject[] =>
  plan.deployments.map((each) => ({
    plan,
    deployment: each,
    variant: {
      id: 'fp32',
      providers: ['wasm'],
      files: [{ path: 'm.onnx', size: bytes, digest: 'sha256:m', chunks: [] }],
    },
  }))

const answer = (deployment: string, provider: Answer['provider'] = 'wasm') =>
  ({ deployment, version: 1, variant: 'fp32', provider, why: 'wasm' }) as Answer

const tooLate = new SelvedgeError('DEADLINE_EXCEEDED', 'a trial with 2 threads took more than 30 s')

describe('threads', () => {
  const opened: Threads[] = []
  afterEach(() => {
    for (const each of opened.splice(0)) each.close()
  })

  function open(kept: Map<string, ThreadTrial>, options: Partial<ThreadsOptions> = {}): Threads {
    const store: KeptTrials = {
      read: async (manifest) => kept.get(manifest),
      write: async (manifest, trial) => void kept.set(manifest, trial),
      forget: async (manifest) => void kept.delete(manifest),
    }
    const threads = openThreads({
      most: 2,
      kept: store,
      canStart: async () => true,
      measure: async (_, count) => 10 / count,
      restMs: 0,
      failed: (error) => {
        throw error
      },
      ...options,
    })
    opened.push(threads)
    return threads
  }

  /** A first start, until its trials are kept. */
  async function tried(plan: Plan, options: Partial<ThreadsOptions> = {}): Promise<Map<string, ThreadTrial>> {
    const kept = new Map<string, ThreadTrial>()
    const threads = open(kept, options)
    expect(await threads.take(plan)).toBe(1)
    threads.served(subjectsOf(plan))
    await vi.waitFor(() => expect(kept.size).toBe(plan.deployments.length))
    return kept
  }

  const why = async (threads: Threads, given: Answer) => (await threads.during(async () => given)).why

  test('that were faster are taken by the next start, which says by how much', async () => {
    const plan = planOf('blue')
    const kept = await tried(plan, { measure: async (_, count) => (count === 1 ? 16 : 10) })
    const next = open(kept)
    expect(await next.take(plan)).toBe(2)
    next.served(subjectsOf(plan))
    expect(await why(next, answer('blue'))).toBe('wasm; 2 threads 1.6 × one')
    expect(await why(next, answer('blue', 'webgpu'))).toBe('wasm')
    await vi.waitFor(() => expect(kept.get('sha256:blue')).toEqual({ threads: 2, oneMs: 16, manyMs: 10 }))
  })

  test('that were slower are not taken, and the answer says so', async () => {
    const plan = planOf('blue')
    const kept = await tried(plan, { measure: async (_, count) => (count === 1 ? 10 : 13) })
    const next = open(kept)
    expect(await next.take(plan)).toBe(1)
    next.served(subjectsOf(plan))
    expect(await why(next, answer('blue'))).toBe('wasm; one thread: 2 threads took 1.3 × as long')
  })

  test('are tried for each version that comes under a name', async () => {
    const plan = planOf('blue')
    const kept = new Map<string, ThreadTrial>()
    const threads = open(kept, {
      measure: async ({ deployment }, count) => (deployment.version === 1 ? 10 / count : 10),
    })
    await threads.take(plan)
    threads.served(subjectsOf(plan))
    const newer = { deployments: [{ ...deployment('blue'), version: 2, manifest: 'sha256:newer' }] } as unknown as Plan
    threads.served(subjectsOf(newer))
    await vi.waitFor(() => expect(kept.size).toBe(2))
    expect(kept.get('sha256:newer')).toEqual({ threads: 2, oneMs: 10, manyMs: 10 })
    expect(await why(threads, answer('blue'))).toBe('wasm; one thread: 2 threads took 1.0 × as long')
  })

  test('that gain less than a tenth are not taken', async () => {
    const plan = planOf('blue')
    const kept = await tried(plan, { measure: async (_, count) => (count === 1 ? 10 : 9.5) })
    expect(await open(kept).take(plan)).toBe(1)
  })

  test('are taken only where they paid for every version of the plan', async () => {
    const kept = await tried(planOf('blue'))
    expect(await open(kept).take(planOf('blue', 'green'))).toBe(1)
    expect(await open(kept).take(planOf('blue'))).toBe(2)
  })

  test.each([
    ['hang', tooLate],
    ['give wrong outputs', new SelvedgeError('GOLDEN_MISMATCH', '2 threads gave outputs that differ by 0.5')],
    ['cannot be started', new SelvedgeError('WORKER_UNAVAILABLE', 'the worker of a trial failed')],
  ])('that %s are never taken, and not tried at each start', async (_, error) => {
    const plan = planOf('blue')
    const measure = vi.fn(async (_: Subject, count: number) => {
      if (count > 1) throw error
      return 10
    })
    const kept = await tried(plan, { measure })
    const next = open(kept, { measure })
    expect(await next.take(plan)).toBe(1)
    next.served(subjectsOf(plan))
    expect(await why(next, answer('blue'))).toBe(`wasm; one thread: ${error.message}`)
    expect(measure).toHaveBeenCalledTimes(2)
  })

  test('that could not be tried because the registry was away are tried at the next start', async () => {
    const plan = planOf('blue')
    const kept = new Map<string, ThreadTrial>()
    const away = new SelvedgeError('REGISTRY_UNREACHABLE', 'no answer')
    const failed = vi.fn()
    const threads = open(kept, { measure: () => Promise.reject(away), failed })
    await threads.take(plan)
    threads.served(subjectsOf(plan))
    await vi.waitFor(() => expect(failed).toHaveBeenCalledWith(away))
    expect(kept.size).toBe(0)
  })

  test('are given up for a run that a page waits for, and tried again when it rests', async () => {
    const plan = planOf('blue')
    const kept = new Map<string, ThreadTrial>()
    const { promise: firstRuns, resolve: runs } = Promise.withResolvers<void>()
    let trials = 0
    const measure: ThreadsOptions['measure'] = async (_, count, signal) => {
      if (++trials > 1) return 10 / count
      runs()
      return await new Promise((__, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }
    const threads = open(kept, { measure })
    await threads.take(plan)
    threads.served(subjectsOf(plan))
    await firstRuns
    expect(await why(threads, answer('blue'))).toBe('wasm')
    await vi.waitFor(() => expect(kept.size).toBe(1))
    expect(trials).toBe(3)
  })

  test('are not tried while the page runs', async () => {
    const plan = planOf('blue')
    const measure = vi.fn(async () => 10)
    const threads = open(new Map(), { measure, restMs: 60_000 })
    await threads.take(plan)
    threads.served(subjectsOf(plan))
    await threads.during(async () => answer('blue'))
    threads.close()
    expect(measure).not.toHaveBeenCalled()
  })

  test('are not taken where the worker may not start others, whatever was kept', async () => {
    const plan = planOf('blue')
    const kept = await tried(plan)
    expect(await open(kept, { canStart: async () => false }).take(plan)).toBe(1)
    expect(kept.size).toBe(1)
  })

  test('that a start did not survive are not taken by the next one', async () => {
    const plan = planOf('blue')
    const kept = await tried(plan)
    expect(await open(kept).take(plan)).toBe(2)
    expect(await open(kept).take(plan)).toBe(1)
  })

  test('are not tried with a model of which three copies are too much', async () => {
    const small = planOf('small')
    const kept = new Map<string, ThreadTrial>()
    const threads = open(kept)
    await threads.take(small)
    threads.served([...subjectsOf(planOf('large'), 200 * 1024 * 1024), ...subjectsOf(small)])
    await vi.waitFor(() => expect(kept.size).toBe(1))
    expect([...kept.keys()]).toEqual(['sha256:small'])
  })

  test('are half of the cores, at most four, and one where the page is not isolated', () => {
    expect([1, 2, 4, 6, 8, 64].map((cores) => threadsToTry(true, cores))).toEqual([1, 2, 2, 3, 4, 4])
    expect(threadsToTry(false, 8)).toBe(1)
  })

  test('are told only where the worker took what the trial is about', () => {
    expect(explainThreads({ threads: 2, oneMs: 16, manyMs: 10 }, 1)).toBeUndefined()
    expect(explainThreads({ threads: 2, oneMs: 10, manyMs: 13 }, 2)).toBeUndefined()
    expect(explainThreads({ lack: '2 threads gave outputs that differ by 0.5' }, 2)).toBeUndefined()
  })
})
