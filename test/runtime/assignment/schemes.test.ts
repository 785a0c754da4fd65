import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deploymentAt, moveRanges } from '../../../runtime/assignment/assignment.ts'
import { isOfAudience } from '../../../runtime/assignment/audience.ts'
import { placeIn } from '../../../runtime/assignment/schemes.ts'
import { type Range, type Scheme, scheme } from '../../../runtime/contract/plan.ts'

interface GrowthBookCases {
  hash: [seed: string, value: string, version: number, expected: number | null][]
  getBucketRange: [name: string, [count: number, coverage: number, weights: number[] | null], [number, number][]][]
  chooseVariation: [name: string, n: number, ranges: [number, number][], expected: number][]
  inNamespace: [name: string, user: string, [namespace: string, from: number, below: number], expected: boolean][]
  stickyBucket: [name: string, ...unknown[]][]
}

const vectors = new URL('../../../../shared/vectors/growthbook-cases.json', import.meta.url)
const present = existsSync(vectors)
const none: GrowthBookCases = { hash: [], getBucketRange: [], chooseVariation: [], inNamespace: [], stickyBucket: [] }
const growthbook: GrowthBookCases = present ? JSON.parse(readFileSync(vectors, 'utf8')) : none

const ppm = (share: number) => Math.round(share * 1_000_000)

/** Shares of four suits, in flagd's order. */
const suits: Range[] = [
  ['clubs', 0, 250_000],
  ['diamonds', 250_000, 500_000],
  ['hearts', 500_000, 750_000],
  ['spades', 750_000, 1_000_000],
]
const halves: Range[] = [
  ['first', 0, 500_000],
  ['second', 500_000, 1_000_000],
]

test('every scheme gives a place between 0 and 999,999, the same for the same unit', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...scheme.options),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      (one, salt, unit) => {
        const place = placeIn(one, salt, unit)
        expect(Number.isInteger(place) && place >= 0 && place < 1_000_000).toBe(true)
        expect(placeIn(one, salt, unit)).toBe(place)
      },
    ),
    { numRuns: 1000 },
  )
})

test.each(scheme.options)('%s spreads units evenly', (one) => {
  const tenths = new Array<number>(10).fill(0)
  for (let unit = 0; unit < 50_000; unit++) {
    const tenth = Math.floor(placeIn(one, 'digits', `user-${unit}`) / 100_000)
    tenths[tenth] = (tenths[tenth] ?? 0) + 1
  }
  // 5 standard deviations of a binomial with n = 50,000 and p = 0.1; FNV over short ids is a little worse than that.
  for (const count of tenths) expect(Math.abs(count - 5000)).toBeLessThan(one === 'growthbook-2' ? 500 : 336)
})

describe('growthbook-2: the cases of GrowthBook', () => {
  test.skipIf(!present)('are all read', () => {
    expect(Object.values(growthbook).flatMap((cases) => (Array.isArray(cases) ? cases : [])).length).toBeGreaterThan(60)
  })

  for (const [seed, value, version, expected] of growthbook.hash) {
    // The scheme is that of hashVersion 2.
    test.skipIf(version !== 2)(
      `hash of ${JSON.stringify(value)} with seed ${JSON.stringify(seed)}, version ${version}`,
      () => {
        expect(placeIn('growthbook-2', seed, value)).toBe(ppm(expected ?? Number.NaN))
      },
    )
  }

  for (const [name, [count, coverage, weights], expected] of growthbook.getBucketRange) {
    const shares = weights ?? Array.from({ length: count }, () => 1 / count)
    const isWhole = shares.length === count && Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9
    // Less than all is the namespace of an audience here; shares that do not sum to 100 percent are refused.
    test.skipIf(coverage !== 1 || !isWhole)(`bucket ranges: ${name}`, () => {
      const ranges = moveRanges([], new Map(shares.map((share, i) => [`v${i}`, ppm(share)])))
      expect(ranges.map(([, from, to]) => [from, to])).toEqual(expected.map((each) => each.map(ppm)))
    })
  }

  for (const [name, n, ranges, expected] of growthbook.chooseVariation) {
    const hasGaps = ranges.some(([from], i) => from !== (ranges[i - 1]?.[1] ?? 0))
    // Ranges of a plan have no gaps.
    test.skipIf(hasGaps)(`choose: ${name}`, () => {
      const plan = ranges.map(([from, to], i): Range => [`v${i}`, ppm(from), ppm(to)])
      expect(deploymentAt(plan, ppm(n))).toBe(`v${expected}`)
    })
  }

  test.each(growthbook.inNamespace)('namespace: %s', (_, unit, [name, from, below], expected) => {
    const namespace = { name, from: ppm(from), below: ppm(below) }
    expect(isOfAudience({ namespace, otherwise: 'v0' }, 'growthbook-2', { unit })).toBe(expected)
  })

  // Theirs are kept in a store of the caller; here a change of the split moves only whom it must, without one.
  for (const [name] of growthbook.stickyBucket) test.skip(`sticky bucket: ${name}`, () => undefined)
})

// github.com/open-feature/flagd-testbed, evaluator/gherkin/fractional.feature, @fractional-v2.
describe('flagd-2: the scenarios of flagd', () => {
  test.each([
    ['fractional-flag', 'jack', 'hearts'],
    ['fractional-flag', 'queen', 'spades'],
    ['fractional-flag', 'ten', 'clubs'],
    ['fractional-flag', 'nine', 'diamonds'],
    ['fractional-flag', '3', 'clubs'],
    ['shared-seed', 'seven', 'hearts'],
    ['shared-seed', 'eight', 'diamonds'],
    ['shared-seed', 'nine', 'clubs'],
    ['shared-seed', 'two', 'spades'],
  ])('of four quarters under %s, %s gets %s', (salt, unit, expected) => {
    expect(deploymentAt(suits, placeIn('flagd-2', salt, unit))).toBe(expected)
  })

  test.each([
    ['fractional-flag-shorthand', 'jon@company.com', 'first'],
    ['fractional-flag-shorthand', 'jane@company.com', 'second'],
    // Hashes at the borders of 32 bits.
    ['', 'ejOoVL', 'first'],
    ['', 'bY9fO-', 'first'],
    ['', 'SI7p-', 'first'],
    ['', '6LvT0', 'second'],
    ['', 'ceQdGm', 'second'],
  ])('of two halves under %j, %s gets the %s', (salt, unit, expected) => {
    expect(deploymentAt(halves, placeIn('flagd-2', salt, unit))).toBe(expected)
  })

  test.skip('nested expressions as names or weights: shares are numbers here', () => undefined)
})

// github.com/Unleash/client-specification, specifications 10 and 16.
describe('Unleash: the client specification', () => {
  test.each([
    ['Feature.flexibleRollout.10', 10, '174', true],
    ['Feature.flexibleRollout.10', 10, '499', false],
    ['Feature.flexibleRollout.userId.55', 55, '25', true],
    ['Feature.flexibleRollout.sessionId.42', 42, '147', true],
  ])('a rollout of %s at %d percent: %s is in it: %s', (salt, percent, unit, expected) => {
    expect(placeIn('unleash-rollout', salt, unit) < percent * 10_000).toBe(expected)
  })

  test.each([
    ['5', 'first'],
    ['0', 'second'],
  ])('of two variants of equal weight user %s gets the %s', (unit, expected) => {
    expect(deploymentAt(halves, placeIn('unleash-variants', 'a', unit))).toBe(expected)
  })

  test.skip('a context without the sticky field: without a unit a place is drawn', () => undefined)
})

test('the schemes of a plan are those of the contract', () => {
  const all: Scheme[] = ['murmur3-ppm-1', 'growthbook-2', 'flagd-2', 'unleash-rollout', 'unleash-variants']
  expect(scheme.options).toEqual(all)
})
