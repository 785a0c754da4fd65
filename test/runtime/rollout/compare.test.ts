import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Arm, addCluster, meanOf, openArm, spreadOf, sumArms } from '../../../runtime/rollout/arms.ts'
import { compare } from '../../../runtime/rollout/compare.ts'
import { radius } from '../../../runtime/rollout/sequence.ts'
import { openRandom } from '../drift/random.ts'
import { watchRate } from './watch-rate.ts'

const clusters = fc.array(
  fc.tuple(fc.integer({ min: 1, max: 20 }), fc.double({ min: 0, max: 1, noNaN: true })).map(([rows, share]) => ({
    rows,
    total: Math.round(rows * share),
  })),
  { minLength: 1, maxLength: 60 },
)

function armOf(all: readonly { rows: number; total: number }[]): Arm {
  const arm = openArm()
  for (const { rows, total } of all) addCluster(arm, rows, total)
  return arm
}

describe('an arm', () => {
  test('has the variance of its residuals by clusters, whatever the order', () => {
    fc.assert(
      fc.property(clusters, (all) => {
        const arm = armOf(all)
        const mean = all.reduce((sum, each) => sum + each.total, 0) / all.reduce((sum, each) => sum + each.rows, 0)
        expect(meanOf(arm)).toBeCloseTo(mean, 12)
        expect(spreadOf(arm)).toBeCloseTo(
          all.reduce((sum, { rows, total }) => sum + (total - mean * rows) ** 2, 0),
          6,
        )
        expect(armOf(all.toReversed())).toEqual(arm)
        expect(sumArms([armOf(all.slice(0, 3)), armOf(all.slice(3))])).toEqual(arm)
      }),
    )
  })
})

describe('a comparison', () => {
  const rules = { margin: 0.01, level: 0.05 / 3, isRate: true }

  test('is open without rows of one arm', () => {
    const some = armOf([{ rows: 1000, total: 500 }])
    expect(compare([], rules).verdict).toBe('open')
    expect(compare([{ green: some, blue: openArm() }], rules)).toMatchObject({ verdict: 'open', blue: { rows: 0 } })
  })

  test('sees what a version does on a provider that only it chooses', () => {
    const pages = (count: number, total: number) => armOf(Array.from({ length: count }, () => ({ rows: 10, total })))
    const wasm = { green: pages(100, 0), blue: pages(2000, 0) }
    const webgpu = { green: pages(100, 10), blue: openArm() }
    expect(compare([wasm], rules)).toMatchObject({ verdict: 'open', difference: 0 })
    expect(compare([wasm, webgpu], rules)).toMatchObject({
      verdict: 'worse',
      difference: 0.5,
      green: { clusters: 200 },
    })
  })

  test('is open while green had hardly an event, however precise it looks', () => {
    const blue = armOf(Array.from({ length: 100_000 }, (_, i) => ({ rows: 1, total: i % 50 === 0 ? 1 : 0 })))
    const green = armOf(Array.from({ length: 500 }, () => ({ rows: 1, total: 0 })))
    expect(compare([{ green, blue }], rules).verdict).toBe('open')
  })

  test('tells four errors of ten requests from proof', () => {
    const blue = armOf(Array.from({ length: 100_000 }, (_, i) => ({ rows: 1, total: i % 50 === 0 ? 1 : 0 })))
    const green = armOf(Array.from({ length: 10 }, (_, i) => ({ rows: 1, total: i < 4 ? 1 : 0 })))
    expect(compare([{ green, blue }], rules).verdict).toBe('open')
  })

  test('does not take the hundred failures of one page for those of a version', () => {
    const blue = armOf(Array.from({ length: 1000 }, () => ({ rows: 10, total: 0 })))
    const pages = (count: number) => armOf(Array.from({ length: count }, () => ({ rows: 100, total: 100 })))
    expect(compare([{ green: pages(1), blue }], rules).verdict).toBe('open')
    expect(compare([{ green: pages(8), blue }], rules).verdict).toBe('worse')
  })

  test('finds a version that always fails after a few requests', () => {
    const blue = armOf(Array.from({ length: 1000 }, () => ({ rows: 1, total: 0 })))
    const green = armOf(Array.from({ length: 30 }, () => ({ rows: 1, total: 1 })))
    expect(compare([{ green, blue }], rules).verdict).toBe('worse')
  })

  test('finds nothing where a provider that fails more is more common in one arm', () => {
    const half = (rows: number, every: number) =>
      armOf(Array.from({ length: rows }, (_, i) => ({ rows: 1, total: i % every === 0 ? 1 : 0 })))
    const strata = [
      { green: half(40_000, 5), blue: half(10_000, 5) },
      { green: half(10_000, 50), blue: half(40_000, 50) },
    ]
    expect(compare(strata, rules)).toMatchObject({ difference: expect.closeTo(0, 9), verdict: 'fine' })
    const pooled = [{ green: sumArms(strata.map(({ green }) => green)), blue: sumArms(strata.map(({ blue }) => blue)) }]
    expect(compare(pooled, rules).verdict).toBe('worse')
  })

  test('is neither fine nor worse by turning a mean round', () => {
    fc.assert(
      fc.property(clusters, clusters, (own, other) => {
        const mean = { margin: 0.1, level: 0.05, isRate: false, isTwoSided: true }
        const there = compare([{ green: armOf(own), blue: armOf(other) }], mean)
        const back = compare([{ green: armOf(other), blue: armOf(own) }], mean)
        expect(there.verdict).toBe(back.verdict)
        expect(there.difference).toBeCloseTo(-back.difference, 9)
      }),
    )
  })
})

describe('a confidence sequence', () => {
  test('has the width that its formula gives on paper', () => {
    // v = τ²: R² = 2v (2 ln 20 + ln 2)
    expect(radius(0.0004, 0.02, 0.05)).toBeCloseTo(Math.sqrt(0.0008 * (2 * Math.log(20) + Math.log(2))), 12)
  })

  test('grows with the variance and as its level falls', () => {
    const variance = fc.double({ min: 1e-9, max: 1, noNaN: true })
    fc.assert(
      fc.property(variance, variance, (a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)]
        // Two that differ in their last digit come out in either order.
        expect(radius(less, 0.02, 0.05)).toBeLessThanOrEqual(radius(more, 0.02, 0.05) * (1 + 1e-12))
        expect(radius(a, 0.02, 0.01)).toBeGreaterThan(radius(a, 0.02, 0.05))
      }),
      { seed: 118 },
    )
  })
})

const alike = { rows: 20, correlation: 0.5 }

describe('a rate guard at its margin, .02 against .03, 20 requests a unit with correlation .5', () => {
  test.each([0.05, 0.01])('never promotes green at a share of %f and hardly takes it back', (share) => {
    const ends = Array.from(
      { length: 25 },
      (_, i) => watchRate(openRandom(77 + i), { ...alike, share, rates: [0.02, 0.03] }).verdict,
    )
    expect(ends.filter((end) => end === 'fine')).toEqual([])
    expect(ends.filter((end) => end === 'worse').length).toBeLessThanOrEqual(1)
  })

  test('promotes one that is no worse, and takes one back that fails three times as often, at half of the traffic', () => {
    const same = Array.from({ length: 15 }, (_, i) =>
      watchRate(openRandom(177 + i), { ...alike, share: 0.5, rates: [0.02, 0.02] }),
    )
    expect(same.map(({ verdict }) => verdict)).toEqual(same.map(() => 'fine'))
    const worse = Array.from({ length: 15 }, (_, i) =>
      watchRate(openRandom(277 + i), { ...alike, share: 0.5, rates: [0.02, 0.06] }),
    )
    expect(worse.map(({ verdict }) => verdict)).toEqual(worse.map(() => 'worse'))
    expect(Math.max(...worse.map(({ look }) => look))).toBeLessThan(15)
  })
})
