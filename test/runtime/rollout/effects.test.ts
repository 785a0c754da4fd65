import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  addUnit,
  combineEffects,
  effectOf,
  intervalOf,
  openUnitSums,
  type UnitSums,
} from '../../../runtime/rollout/effects.ts'
import { openRandom, type Random } from '../drift/random.ts'

const vectorsFile = fileURLToPath(new URL('../../../../shared/vectors/drift.json', import.meta.url))
const isPresent = existsSync(vectorsFile)
const vectors = isPresent ? JSON.parse(readFileSync(vectorsFile, 'utf8')) : undefined

/** Of values that are not skewed. */
function sums(units: number, y: number, yy: number): UnitSums {
  return { units, y, yy, yyy: (3 * y * yy) / units - (2 * y ** 3) / units ** 2, x: 0, xx: 0, xy: 0 }
}

/** Of units of which some count 1 and the others 0. */
function rate(units: number, count: number): UnitSums {
  return { units, y: count, yy: count, yyy: count, x: 0, xx: 0, xy: 0 }
}

describe("GrowthBook's statistics", () => {
  test.skipIf(!isPresent)('sequential interval of a relative effect', () => {
    const [{ ci, tuning }] = vectors.confidence_sequence
    const effect = effectOf(sums(3000, 1396.87, 52377.9767), sums(3461, 2422.7, 134698.29))
    const interval = effect?.relative && intervalOf(effect.relative, 0.05, tuning)
    expect(interval?.low).toBeCloseTo(ci[0], 4)
    expect(interval?.high).toBeCloseTo(ci[1], 4)
  })

  test.skipIf(!isPresent)('estimate and standard error of its t test', () => {
    const [{ sums: y, squares, n, relative, ci, absolute_ci }] = vectors.t_test
    const effect = effectOf(sums(n[0], y[0], squares[0]), sums(n[1], y[1], squares[1]))
    // Student's quantile at .975 for some 6,000 degrees of freedom.
    const t = 1.96036
    expect(effect?.relative?.value).toBeCloseTo(relative, 5)
    expect(t * Math.sqrt(effect?.relative?.variance ?? 0)).toBeCloseTo((ci[1] - ci[0]) / 2, 4)
    expect(t * Math.sqrt(effect?.absolute.variance ?? 0)).toBeCloseTo((absolute_ci[1] - absolute_ci[0]) / 2, 4)
  })
})

describe('an effect', () => {
  test('needs units enough for a mean, and a mean that is surely above 0 to be relative', () => {
    expect(effectOf(sums(29, 10, 10), sums(50, 20, 20))).toBeUndefined()
    expect(effectOf(rate(50_000, 1000), rate(500, 0))).toBeUndefined()
    expect(effectOf(rate(50_000, 1000), rate(5000, 100))?.relative?.value).toBeCloseTo(0, 9)
    expect(effectOf(sums(50, 0, 20), sums(50, 20, 20))?.relative).toBeUndefined()
  })

  test('is the same and far surer where half of its spread was known before', () => {
    const random = openRandom(5)
    const arms = { plain: [openUnitSums(), openUnitSums()], known: [openUnitSums(), openUnitSums()] }
    for (let unit = 0; unit < 20_000; unit++) {
      const before = random.normal()
      const y = 10 + 3 * before + random.normal() + (unit % 2) * 0.2
      addUnit(arms.plain[unit % 2] ?? openUnitSums(), y)
      addUnit(arms.known[unit % 2] ?? openUnitSums(), y, before)
    }
    const [plain, known] = [arms.plain, arms.known].map(([a, b]) => a && b && effectOf(a, b)?.absolute)
    // Of the variance 9 + 1 the 9 were known.
    expect((known?.variance ?? 1) / (plain?.variance ?? 1)).toBeCloseTo(0.1, 1)
    expect(Math.abs((known?.value ?? 0) - 0.2)).toBeLessThan(4 * Math.sqrt(known?.variance ?? 0))
  })

  test.each([
    [0.5, 0.1],
    [0.1, 0.02],
  ])(
    'of two equal arms, %f of the units in one and %f who buy, is 0 at each of 200 looks in 95 of 100 runs',
    (share, buy) => {
      const ends = Array.from({ length: 100 }, (_, i) => falseAlarm(openRandom(900 + i), share, buy))
      expect(ends.filter((alarmed) => alarmed).length).toBeLessThanOrEqual(5)
    },
  )

  test('is none where only the split and the base rate moved, though pooled units show one', () => {
    const random = openRandom(6)
    // 5 % of the units on a day on which a tenth buys, a half on one on which three tenths do.
    const revisions = [{ ...arms(random, 40_000, 0.05, 0.1) }, { ...arms(random, 40_000, 0.5, 0.3) }]
    const combined = combineEffects(revisions)
    const interval = combined && intervalOf(combined.absolute, 0.05)
    expect(interval?.low).toBeLessThan(0)
    expect(interval?.high).toBeGreaterThan(0)
    const pooled = effectOf(
      addRates(revisions.map(({ control }) => control)),
      addRates(revisions.map(({ treatment }) => treatment)),
    )
    expect(pooled && intervalOf(pooled.absolute, 0.05).low).toBeGreaterThan(0.05)
  })

  test('of a revision in which nobody of a small arm bought does not outweigh the others', () => {
    const large = { control: rate(50_000, 5000), treatment: rate(50_000, 5500) }
    const small = { control: rate(5000, 500), treatment: rate(20, 0) }
    expect(combineEffects([large, small])?.absolute.value).toBeCloseTo(0.01, 3)
    expect(combineEffects([])).toBeUndefined()
  })
})

function arms(random: Random, units: number, share: number, rate: number) {
  const [control, treatment] = [openUnitSums(), openUnitSums()]
  for (let unit = 0; unit < units; unit++) {
    addUnit(random.uniform() < share ? treatment : control, random.uniform() < rate ? 1 : 0)
  }
  return { control, treatment }
}

function addRates(all: readonly UnitSums[]): UnitSums {
  return rate(
    all.reduce((sum, { units }) => sum + units, 0),
    all.reduce((sum, { y }) => sum + y, 0),
  )
}

function falseAlarm(random: Random, share: number, buy: number): boolean {
  const { control, treatment } = arms(random, 0, 0, 0)
  for (let look = 0; look < 200; look++) {
    for (let unit = 0; unit < 50; unit++) {
      addUnit(random.uniform() < share ? treatment : control, random.uniform() < buy ? 1 : 0)
    }
    const effect = effectOf(control, treatment)
    const interval = effect && intervalOf(effect.absolute, 0.05)
    if (interval !== undefined && (interval.low > 0 || interval.high < 0)) return true
  }
  return false
}
