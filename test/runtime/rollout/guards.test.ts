import { describe, expect, test } from 'vitest'
import type { CategoricalProfile, NumericProfile, ProfileFeature } from '../../../runtime/contract/profile-spec.ts'
import type { Guard } from '../../../runtime/contract/rollout.ts'
import { latencyEdgesMs } from '../../../runtime/contract/telemetry.ts'
import { type Cluster, judgeGuards, levelOf, type Observed } from '../../../runtime/rollout/guards.ts'
import { tailOf } from '../../../runtime/rollout/latency.ts'
import { openRandom } from '../drift/random.ts'

const noLatency = new Array<number>(latencyEdgesMs.length + 1).fill(0)

function cluster(part: Partial<Cluster> = {}): Cluster {
  return { provider: 'wasm', answered: 1, failed: 0, hasParityFailure: false, latency: noLatency, outputs: {}, ...part }
}

function observe(green: readonly Cluster[], blue: readonly Cluster[], part: Partial<Observed> = {}): Observed {
  return {
    green: { clusters: green, outputs: [] },
    blue: { clusters: blue, outputs: [] },
    outcomes: {},
    newUnits: {},
    ...part,
  }
}

function times(count: number, make: (i: number) => Cluster): Cluster[] {
  return Array.from({ length: count }, (_, i) => make(i))
}

function judgeOne(guard: Guard, observed: Observed) {
  const [result] = judgeGuards([guard], observed, 0.01)
  if (result === undefined) throw new Error('a guard without a result')
  return result
}

/** Requests of a log-normal latency. */
function timed(count: number, medianMs: number, seed: number): Cluster[] {
  const random = openRandom(seed)
  return times(count, () => {
    const latency = [...noLatency]
    for (let row = 0; row < 5; row++) {
      const ms = medianMs * Math.exp(0.5 * random.normal())
      const cell = latencyEdgesMs.findIndex((edge) => ms < edge)
      latency[cell] = (latency[cell] ?? 0) + 1
    }
    return cluster({ answered: 5, latency })
  })
}

describe('guards', () => {
  test('share alpha among those that are proven and the steps that compare', () => {
    const guards: Guard[] = [
      { metric: 'error_rate', margin: 0.01 },
      { metric: 'latency_p95', ratio: 1.2 },
      { metric: 'sample_ratio', alpha: 0.001 },
    ]
    expect(levelOf(0.06, guards, [1, 5, 25, 100])).toBeCloseTo(0.01, 12)
    expect(levelOf(0.06, [], [50])).toBeCloseTo(0.06, 12)
  })

  test('errors: a version that fails in 12 of 100 requests is worse than one that fails in 2', () => {
    const failing = (every: number) => (i: number) => cluster(i % every === 0 ? { answered: 0, failed: 1 } : {})
    const result = judgeOne(
      { metric: 'error_rate', margin: 0.01 },
      observe(times(2000, failing(8)), times(20_000, failing(50))),
    )
    expect(result).toMatchObject({ verdict: 'worse', proves: true })
    expect(result.comparisons[0]).toMatchObject({
      name: 'errors',
      difference: expect.closeTo(0.105, 9),
      green: { clusters: 2000, rows: 2000, mean: 0.125 },
      blue: { mean: 0.02 },
    })
  })

  test('parity: stops where hosts of one version have it, and is never waited for', () => {
    const failing = (i: number) => cluster({ hasParityFailure: i % 5 === 0 })
    const guard: Guard = { metric: 'parity', margin: 0.01 }
    expect(
      judgeOne(
        guard,
        observe(
          times(500, failing),
          times(5000, () => cluster()),
        ),
      ),
    ).toMatchObject({ verdict: 'worse' })
    expect(
      judgeOne(
        guard,
        observe(
          times(5, () => cluster()),
          times(50, () => cluster()),
        ),
      ),
    ).toMatchObject({
      verdict: 'open',
      proves: false,
    })
  })

  test('latency: half as long again is worse than 1.2 times, the same is fine, 1.2 times is neither', () => {
    const guard: Guard = { metric: 'latency_p95', ratio: 1.2 }
    const blue = timed(20_000, 20, 1)
    expect(judgeOne(guard, observe(timed(2000, 30, 2), blue)).verdict).toBe('worse')
    expect(judgeOne(guard, observe(timed(5000, 20, 3), blue)).verdict).toBe('fine')
    expect(judgeOne(guard, observe(timed(5000, 24, 4), blue)).verdict).toBe('open')
  })

  test('latency: without requests nothing is told', () => {
    expect(judgeOne({ metric: 'latency_p95', ratio: 1.2 }, observe([], [])).verdict).toBe('open')
  })

  test('outcome: fewer that accept are worse, or better where lower is', () => {
    const told = (count: number, every: number) => Array.from({ length: count }, (_, i) => (i % every === 0 ? 1 : 0))
    const outcomes = { accepted: { isRate: true, green: told(5000, 5), blue: told(5000, 2) } }
    const guard = { metric: 'outcome', name: 'accepted', margin: 0.05 } as const
    const observed = observe([], [], { outcomes })
    expect(judgeOne({ ...guard, better: 'higher' }, observed)).toMatchObject({
      verdict: 'worse',
      comparisons: [{ difference: expect.closeTo(0.3, 9) }],
    })
    expect(judgeOne({ ...guard, better: 'lower' }, observed).verdict).toBe('fine')
    expect(judgeOne({ ...guard, name: 'other', better: 'lower' }, observed).verdict).toBe('open')
  })

  test('outcome: a number that few units tell of is no proof', () => {
    const told = (units: number, of: number) => Array.from({ length: of }, (_, i) => (i < units ? 0.001 : 0))
    const guard: Guard = { metric: 'outcome', name: 'cost', margin: 0.5, better: 'lower' }
    const judged = (units: number) => {
      const outcomes = { cost: { isRate: false, green: told(units, 2000), blue: told(units, 2000) } }
      return judgeOne(guard, observe([], [], { outcomes })).verdict
    }
    expect([judged(1), judged(19), judged(20)]).toEqual(['open', 'open', 'fine'])
  })

  test('outcome: nobody of fifty buying is no proof where one in fifty does', () => {
    const told = (count: number, every: number) =>
      Array.from({ length: count }, (_, i) => (i % every === every - 1 ? 1 : 0))
    const outcomes = { bought: { isRate: true, green: told(50, 1000), blue: told(50_000, 50) } }
    const guard: Guard = { metric: 'outcome', name: 'bought', margin: 0.005, better: 'higher' }
    expect(judgeOne(guard, observe([], [], { outcomes })).verdict).toBe('open')
  })

  test('TE-11 sample_ratio: six of ten new units where half were due is worse, and equal parts are fine', () => {
    const newUnits = (green: number) => ({
      blue: { units: 5000 - green, share: 0.5 },
      green: { units: green, share: 0.5 },
      gone: { units: 3, share: 0 },
    })
    const guard: Guard = { metric: 'sample_ratio', alpha: 0.001 }
    const result = judgeOne(guard, observe([], [], { newUnits: newUnits(3000) }))
    expect(result).toMatchObject({ verdict: 'worse', proves: false, ratio: { units: { blue: 2000, green: 3000 } } })
    expect(judgeOne(guard, observe([], [], { newUnits: newUnits(2500) })).verdict).toBe('fine')
  })
})

describe('the drift guard', () => {
  const guard: Guard = { metric: 'drift', limit: 0.2 }
  const classes: CategoricalProfile = {
    name: 'class',
    kind: 'categorical',
    values: ['no', 'yes'],
    counts: [700, 300, 0, 0, 0],
  }

  /** Deciles of a normal distribution around `mean`, as a baseline has them. */
  function normal(mean: number): NumericProfile {
    const edges = [-1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816].map((edge) => edge + mean)
    return {
      name: 'value',
      kind: 'numeric',
      edges,
      points: [],
      counts: [...new Array<number>(10).fill(500), 0, 0, 0, 0],
    }
  }

  function counted(count: number, feature: NumericProfile, mean: number, seed: number): Cluster[] {
    const random = openRandom(seed)
    return times(count, () => {
      const cells = new Array<number>(14).fill(0)
      const place = feature.edges.findIndex((edge) => mean + random.normal() < edge)
      const at = place < 0 ? 9 : place
      cells[at] = (cells[at] ?? 0) + 1
      return cluster({ outputs: { value: cells } })
    })
  }

  const classed = (count: number, every: number) =>
    times(count, (i) => cluster({ outputs: { class: i % every === 0 ? [0, 1, 0, 0, 0] : [1, 0, 0, 0, 0] } }))

  function observeOutputs(
    [green, own]: [Cluster[], ProfileFeature],
    [blue, other]: [Cluster[], ProfileFeature],
  ): Observed {
    return observe([], [], { green: { clusters: green, outputs: [own] }, blue: { clusters: blue, outputs: [other] } })
  }

  test('is worse where a class comes more or less often, fine where it does not', () => {
    const blue: [Cluster[], ProfileFeature] = [classed(20_000, 3), classes]
    expect(judgeOne(guard, observeOutputs([classed(5000, 2), classes], blue)).verdict).toBe('worse')
    expect(judgeOne(guard, observeOutputs([classed(5000, 10), classes], blue)).verdict).toBe('worse')
    expect(judgeOne(guard, observeOutputs([classed(5000, 3), classes], blue)).verdict).toBe('fine')
  })

  test('compares numbers on one scale where both versions have it', () => {
    const scale = normal(0)
    const blue: [Cluster[], ProfileFeature] = [counted(20_000, scale, 0, 1), scale]
    expect(judgeOne(guard, observeOutputs([counted(5000, scale, 0.5, 2), scale], blue)).verdict).toBe('worse')
    expect(judgeOne(guard, observeOutputs([counted(5000, scale, 0, 3), scale], blue)).verdict).toBe('fine')
  })

  test('compares each with its own baseline where their edges differ: what moves both moves neither', () => {
    const [own, other] = [normal(3), normal(0)]
    const moved: [Cluster[], ProfileFeature] = [counted(20_000, other, 0.5, 1), other]
    expect(judgeOne(guard, observeOutputs([counted(5000, own, 3.5, 2), own], moved)).verdict).toBe('fine')
    expect(judgeOne(guard, observeOutputs([counted(5000, own, 3, 3), own], moved)).verdict).toBe('worse')
  })

  test('is open without outputs that both have', () => {
    expect(judgeOne(guard, observe([], [])).verdict).toBe('open')
  })
})

describe('the tail of a latency', () => {
  test('is cut at the edge next to the 95th percentile times the ratio, with the part of a cell above it', () => {
    // 90 of 100 below 2.83 ms, 10 between that and 4 ms: the 95th percentile lies in that cell.
    const blue = [...noLatency]
    blue[9] = 90
    blue[10] = 10
    const tail = tailOf(blue, 1.2)
    expect(tail.edge).toBeCloseTo(4, 9)
    expect(tail.blueShare[11]).toBe(1)
    expect(tail.blueShare[9]).toBe(0)
    // ln 1.2 of ln √2 of the cell's width lie above 4 / 1.2.
    expect(tail.blueShare[10]).toBeCloseTo(Math.log(1.2) / Math.log(Math.SQRT2), 9)
    expect(tail.margin).toBe(0)
  })

  test('allows 5 % above the first edges where all is faster than they are', () => {
    const blue = [...noLatency]
    blue[0] = 100
    expect(tailOf(blue, 1.2).margin).toBeGreaterThanOrEqual(0)
    expect(tailOf(blue, 1.2).edge).toBeCloseTo(0.125, 9)
  })
})
