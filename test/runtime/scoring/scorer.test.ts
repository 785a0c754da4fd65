import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bucket } from '../../../runtime/assignment/schemes.ts'
import type { Golden } from '../../../runtime/contract/golden.ts'
import { type Plan, type PlanDeployment, plan as planSchema, type Range } from '../../../runtime/contract/plan.ts'
import type { LoadedDeployment } from '../../../runtime/delivery/loader.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { limits } from '../../../runtime/limits.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import { openScorer, type Scorer, type ScorerEvent, type Target } from '../../../runtime/scoring/scorer.ts'
import type { OpenSession } from '../../../runtime/scoring/session.ts'
import { createTensor, type Tensor, type Tensors } from '../../../runtime/tensor/tensor.ts'
import { scaleDescription, scaleModel } from '../../fixtures/models.ts'

const base: Plan = planSchema.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
)
const x = () => ({ x: createTensor('FP32', [1, 2], Float32Array.of(1, 2)) })

const deployment = (name: string, version: number): PlanDeployment => {
  const [first] = base.deployments
  if (first === undefined) throw new Error('the golden plan has no deployment')
  const { spec: _spec, golden: _golden, ...rest } = first
  return { ...rest, name, version, manifest: `sha256:${String(version).padStart(64, '0')}` }
}

const loaded = (of: PlanDeployment, factor: number, golden?: Golden): LoadedDeployment => ({
  deployment: of,
  description: scaleDescription,
  variant: { id: 'fp32', providers: ['webgpu', 'wasm'], files: [] },
  bytes: { network: scaleModel(factor), externalData: [] },
  ...(golden && { golden }),
})

const goldenOf = (outputs: number[]): Golden => ({
  samples: [
    {
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 2], data: outputs }],
    },
  ],
  tolerance: 1e-6,
})

const planOf = (deployments: PlanDeployment[], ranges: Range[]): Plan => ({ ...base, deployments, ranges })

describe('scorer', () => {
  const blue = deployment('blue', 1)
  const green = deployment('green', 2)
  let scorer: Scorer
  let opened: string[]
  let closed: number

  const countingSession: OpenSession = async (bytes, provider) => {
    if (provider === 'webgpu') throw new SelvedgeError('PROVIDER_UNAVAILABLE', 'no adapter')
    const session = await openNodeSession(bytes, provider)
    opened.push(provider)
    return {
      ...session,
      close: async () => {
        closed++
        await session.close()
      },
    }
  }

  beforeEach(() => {
    opened = []
    closed = 0
    const queue = openQueue()
    scorer = openScorer({
      openSession: countingSession,
      providers: ['webgpu', 'wasm'],
      device: 'server',
      queueOf: () => queue,
    })
  })
  afterEach(() => scorer.close())

  const infer = async (target: Target = {}, inputs: Tensors = x()) =>
    await scorer.infer({ inputs }, scorer.choose(target))

  test('is not ready before a plan, and answers after it with who and why', async () => {
    await expect(infer()).rejects.toMatchObject({ code: 'NOT_READY' })
    await scorer.serve(planOf([blue], [['blue', 0, 1e6]]), [loaded(blue, 3, goldenOf([3, 6]))])
    expect(await infer()).toMatchObject({
      outputs: { y: { shape: [1, 2], data: Float32Array.of(3, 6) } },
      deployment: 'blue',
      version: 1,
      provider: 'wasm',
      why: 'wasm gives the golden outputs; not webgpu: no adapter',
    })
  })

  test('refuses more rows in one request than it can count beside others', async () => {
    await scorer.serve(planOf([blue], [['blue', 0, 1_000_000]]), [loaded(blue, 2)])
    const rows = (count: number): Tensors => ({ x: createTensor('FP32', [count, 2], new Float32Array(2 * count)) })
    expect((await infer({}, rows(limits.requestRows))).outputs.y?.shape).toEqual([limits.requestRows, 2])
    await expect(infer({}, rows(limits.requestRows + 1))).rejects.toMatchObject({
      code: 'BODY_TOO_LARGE',
      message: 'the request has 100001 rows, at most 100000',
    })
  })

  test('sends each unit where the plan assigns it, pinned requests where they ask', async () => {
    await scorer.serve(
      planOf(
        [blue, green],
        [
          ['blue', 0, 500_000],
          ['green', 500_000, 1e6],
        ],
      ),
      [loaded(blue, 1), loaded(green, 2)],
    )
    for (let i = 0; i < 40; i++) {
      const { deployment } = await infer({ unit: `unit ${i}` })
      expect(deployment).toBe(bucket(base.salt, `unit ${i}`) < 500_000 ? 'blue' : 'green')
    }
    expect((await infer({ deployment: 'green' })).version).toBe(2)
    expect((await infer({ version: 1 })).deployment).toBe('blue')
    await expect(infer({ deployment: 'red' })).rejects.toMatchObject({ code: 'DEPLOYMENT_UNKNOWN' })
  })

  test('sends a request without a unit to a random place in the split', async () => {
    await scorer.serve(
      planOf(
        [blue, green],
        [
          ['blue', 0, 500_000],
          ['green', 500_000, 1e6],
        ],
      ),
      [loaded(blue, 1), loaded(green, 2)],
    )
    const random = vi.spyOn(Math, 'random')
    for (const [place, deployment] of [
      [0.4999999, 'blue'],
      [0.5, 'green'],
    ] as const) {
      random.mockReturnValueOnce(place)
      expect((await infer()).deployment).toBe(deployment)
    }
  })

  test('a pinned request or one without a unit is no exposure; an assigned unit is one', async () => {
    await scorer.serve(planOf([blue], [['blue', 0, 1e6]]), [loaded(blue, 1)])
    await infer()
    await infer({ unit: 'ada', deployment: 'blue' })
    expect(scorer.units.oldest(10)).toEqual([])
    await infer({ unit: 'ada' })
    expect(scorer.units.oldest(10)).toMatchObject([{ kind: 'exposure', unit: 'ada', deployment: 'blue' }])
  })

  test('tells what befell a version for each deployment that it serves, by its name of now', async () => {
    const { promise: lost, resolve: lose } = Promise.withResolvers<void>()
    const events: ScorerEvent[] = []
    const queue = openQueue()
    const { bytes } = loaded(blue, 3)
    const losing = openScorer({
      async openSession(given, provider) {
        const session = await openNodeSession(given, 'wasm')
        return provider === 'webgpu' ? { ...session, provider, lost } : session
      },
      providers: ['webgpu', 'wasm'],
      device: 'desktop',
      queueOf: () => queue,
      reload: async () => bytes,
      event: (event) => void events.push(event),
    })
    await losing.serve(planOf([blue], [['blue', 0, 1e6]]), [loaded(blue, 3)])
    const promoted = [
      { ...blue, name: 'main' },
      { ...blue, name: 'shadow' },
    ]
    await losing.serve(planOf(promoted, [['main', 0, 1e6]]), [])
    lose()
    await vi.waitFor(() => expect(events.length).toBeGreaterThanOrEqual(2))
    const befell = { type: 'device_lost', version: 1, variant: 'fp32', provider: 'webgpu', answeredBy: 'wasm' }
    expect(events.slice(0, 2)).toEqual([
      { ...befell, deployment: 'main' },
      { ...befell, deployment: 'shadow' },
    ])
    await losing.close()
  })

  test('moves traffic without opening anything anew, and closes what a plan no longer names', async () => {
    await scorer.serve(planOf([blue, green], [['blue', 0, 1e6]]), [loaded(blue, 1), loaded(green, 2)])
    await scorer.serve(planOf([blue, green], [['green', 0, 1e6]]), [])
    expect((await infer()).deployment).toBe('green')
    expect([opened.length, closed]).toEqual([2, 0])
    await scorer.serve(planOf([green], [['green', 0, 1e6]]), [])
    expect([opened.length, closed]).toEqual([2, 1])
  })

  test('F-23: a version whose golden outputs differ never answers, and the plan before goes on', async () => {
    await scorer.serve(planOf([blue], [['blue', 0, 1e6]]), [loaded(blue, 1)])
    const next = scorer.serve(planOf([green], [['green', 0, 1e6]]), [loaded(green, 2, goldenOf([2, 4.1]))])
    await expect(next).rejects.toMatchObject({ code: 'GOLDEN_MISMATCH' })
    expect((await infer()).deployment).toBe('blue')
    expect([opened.length, closed]).toEqual([2, 1])
  })

  test('refuses inputs that do not fit and goes on', async () => {
    await scorer.serve(planOf([blue], [['blue', 0, 1e6]]), [loaded(blue, 1)])
    const wrong = { x: createTensor('FP32', [1, 3], Float32Array.of(1, 2, 3)) }
    await expect(infer({}, wrong)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' })
    await expect(scorer.score({ records: [{ c: 1 }] }, scorer.choose({}))).rejects.toMatchObject({
      code: 'FEATURE_UNKNOWN',
    })
    expect((await infer()).outputs.y?.data).toEqual(Float32Array.of(1, 2))
    // What a caller got wrong is no failure of the deployment.
    expect(scorer.tally.pending()[0]?.profiles[0]).toMatchObject({ rows: 1, errors: {} })
  })

  test('scores records by feature and names the class', async () => {
    await scorer.serve(planOf([blue], [['blue', 0, 1e6]]), [loaded(blue, 2)])
    const { predictions } = await scorer.score(
      {
        records: [
          { a: 0.25, b: 0.5 },
          { a: 0.5, b: 0.25 },
        ],
      },
      scorer.choose({}),
    )
    expect(predictions).toEqual([
      { class: 'second', scores: { first: 0.5, second: 1 } },
      { class: 'first', scores: { first: 1, second: 0.5 } },
    ])
  })

  describe('counts what a caller gave away', () => {
    const counted: LoadedDeployment = {
      ...loaded(blue, 1),
      spec: {
        features: [{ name: 'a', kind: 'numeric', edges: [1], points: [], counts: [0, 0, 0, 0, 0, 0] }],
        outputs: [{ name: 'class', kind: 'categorical', values: ['first', 'second'], counts: [0, 0, 0, 0, 0] }],
      },
    }
    const withSpec: PlanDeployment = { ...blue, spec: `sha256:${'5'.repeat(64)}` }
    const once = { rows: 1, counts: { a: [0, 1, 0, 0, 0, 0] }, outputs: { class: [0, 1, 0, 0, 0] }, errors: {} }
    let released: number
    const give = { inputs: x(), released: () => void released++ }

    beforeEach(async () => {
      released = 0
      await scorer.serve(planOf([withSpec], [['blue', 0, 1e6]]), [{ ...counted, deployment: withSpec }])
    })

    test('after the answer, once, and before a report', async () => {
      await scorer.infer(give, scorer.choose({}))
      expect(released).toBe(0)
      for (let report = 0; report < 2; report++) {
        expect(scorer.tally.pending()).toMatchObject([{ profiles: [once] }])
        expect(released).toBe(1)
      }
    })

    test('soon after the answer where nobody asks for a report', async () => {
      const told = Promise.withResolvers<void>()
      await scorer.infer({ ...give, released: told.resolve }, scorer.choose({}))
      await told.promise
      expect(scorer.tally.current()).toMatchObject({ profiles: [once] })
    })

    test('though the outputs are gone by then', async () => {
      const { outputs } = await scorer.infer(give, scorer.choose({}))
      const { buffer } = (outputs.y as Tensor).data as Float32Array<ArrayBuffer>
      structuredClone(buffer, { transfer: [buffer] })
      expect(scorer.tally.pending()).toMatchObject([{ profiles: [once] }])
    })

    test('and tells with the exposure of a unit in which cells its one row was answered', async () => {
      const two = { x: createTensor('FP32', [2, 2], Float32Array.of(1, 2, 3, 4)) }
      await scorer.infer(give, scorer.choose({ unit: 'ada' }))
      await scorer.infer({ inputs: two, released: give.released }, scorer.choose({ unit: 'bob' }))
      scorer.tally.pending()
      const prediction = { version: 1, spec: withSpec.spec, cells: [1] }
      const [ada, bob] = scorer.units.oldest(10)
      expect(ada).toMatchObject({ unit: 'ada', prediction })
      expect(bob).not.toHaveProperty('prediction')
    })

    test('of records as of tensors', async () => {
      await scorer.score({ records: [{ a: 1, b: 2 }], released: give.released }, scorer.choose({}))
      expect(scorer.tally.pending()).toMatchObject([{ profiles: [once] }])
    })

    test('and nothing of a request that fails', async () => {
      const wrong = { x: createTensor('FP32', [1, 3], Float32Array.of(1, 2, 3)) }
      await expect(scorer.infer({ ...give, inputs: wrong }, scorer.choose({}))).rejects.toThrow()
      expect([scorer.tally.pending(), released]).toEqual([[], 0])
    })
  })

  test('SC-17: 64 parallel calls with distinct inputs each get the answer to their own', async () => {
    await scorer.serve(planOf([blue], [['blue', 0, 1e6]]), [loaded(blue, 2)])
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, i) => infer({}, { x: createTensor('FP32', [1, 2], Float32Array.of(i, -i)) })),
    )
    for (const [i, { outputs }] of answers.entries()) expect(outputs.y?.data).toEqual(Float32Array.of(2 * i, -2 * i))
  })

  test('a plan is adopted and the old session closed while the queue is full of requests', async () => {
    const queue = openQueue()
    const gate = Promise.withResolvers<void>()
    const crowded = openScorer({
      openSession: countingSession,
      providers: ['wasm'],
      device: 'server',
      queueOf: () => queue,
    })
    await crowded.serve(planOf([blue], [['blue', 0, 1e6]]), [loaded(blue, 1)])
    const waiting = Array.from({ length: limits.queueLength + 1 }, () => queue.run(() => gate.promise))
    const serving = crowded.serve(planOf([green], [['green', 0, 1e6]]), [loaded(green, 2, goldenOf([2, 4]))])
    gate.resolve()
    await Promise.all(waiting)
    await serving
    expect([crowded.plan?.deployments[0]?.name, closed]).toEqual(['green', 1])
    await crowded.close()
  })

  test('a split of nothing refuses every request until there is traffic', async () => {
    await scorer.serve(planOf([blue], []), [loaded(blue, 1)])
    await expect(infer()).rejects.toMatchObject({ code: 'NO_TRAFFIC' })
  })
})
