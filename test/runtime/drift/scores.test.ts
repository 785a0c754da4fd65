import { describe, expect, test } from 'vitest'
import type { CategoricalProfile, NumericProfile, ProfileFeature } from '../../../runtime/contract/profile-spec.ts'
import { leastClusters, logEvidence, radius } from '../../../runtime/drift/evidence.ts'
import { openScores } from '../../../runtime/drift/scores.ts'

/** 64 bins of ten rows, outer bins empty, no point. */
const even: NumericProfile = {
  name: 'x',
  kind: 'numeric',
  edges: Array.from({ length: 65 }, (_, i) => i),
  points: [],
  counts: [0, ...new Array<number>(64).fill(10), 0, 0, 0, 0, 0],
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)

describe('merged bins', () => {
  test('are ten of about a tenth of the baseline each', () => {
    const { baseline, bins } = openScores(even)
    expect(bins).toBe(10)
    expect(sum(baseline.slice(0, bins))).toBe(640)
    for (const rows of baseline.slice(0, bins)) expect([60, 70]).toContain(rows)
  })

  test('have no bin without rows of the baseline, and rows beyond its range lie in the outer ones', () => {
    const scores = openScores({
      ...even,
      counts: [0, ...new Array<number>(32).fill(0), ...new Array<number>(32).fill(20), 0, 0, 0, 0, 0],
    })
    expect(Math.min(...scores.baseline.slice(0, scores.bins))).toBeGreaterThan(0)
    const cells = new Array<number>(70).fill(0)
    cells[0] = 3
    cells[65] = 4
    const merged = scores.merge(cells)
    expect([merged[0], merged[scores.bins - 1], merged[scores.bins + 2]]).toEqual([3, 4, 7])
  })

  test('of categories keep levels of 5 % and pool the others, however many there are', () => {
    const values = Array.from({ length: 1000 }, (_, i) => `v${i}`)
    const feature: CategoricalProfile = {
      name: 'c',
      kind: 'categorical',
      values,
      counts: [500, 400, ...new Array<number>(998).fill(0), 100, 0, 0],
    }
    expect(openScores(feature).places).toEqual(['v0', 'v1', 'other', 'rare', 'missing', 'invalid', 'outside'])
  })
})

describe('directions', () => {
  const features: ProfileFeature[] = [
    even,
    { ...even, counts: [0, 300, ...new Array<number>(63).fill(5), 0, 7, 0, 0, 1] },
    {
      name: 'c',
      kind: 'categorical',
      values: ['a', 'b', 'c'],
      counts: [60, 30, 2, 1, 4, 0],
    },
  ]

  test.each(features)('have mean 0 and variance 1 over the baseline, and weights of sum 1', (feature) => {
    const { directions, baseline, bins } = openScores(feature)
    expect(sum(directions.map(({ weight }) => weight))).toBeCloseTo(1, 12)
    for (const { scores } of directions.filter(({ over, upwardsOnly }) => over === 'values' && !upwardsOnly)) {
      const rows = sum(baseline.slice(0, bins))
      expect(sum(scores.map((score, i) => score * (baseline[i] ?? 0))) / rows).toBeCloseTo(0, 10)
      expect(sum(scores.map((score, i) => score ** 2 * (baseline[i] ?? 0))) / rows).toBeCloseTo(1, 10)
    }
  })

  test('of what the baseline hardly had take it for three rows more than it saw', () => {
    const scores = openScores({ ...even, counts: [0, ...new Array<number>(64).fill(10), 0, 1, 0, 0, 0] })
    const rowOf = (name: string, place: number) =>
      scores.directions.find((direction) => direction.name === name)?.scores[place]
    const score = (share: number) => (1 - share) / Math.sqrt(share * (1 - share))
    expect(rowOf('missing', scores.bins)).toBeCloseTo(score(4 / 647), 10)
    expect(rowOf('invalid', scores.bins + 1)).toBeCloseTo(score(3 / 647), 10)
  })

  test('of a number weigh its location most', () => {
    const { directions } = openScores(even)
    const weights = Object.fromEntries(directions.map(({ name, weight }) => [name, weight]))
    expect(weights.location).toBeCloseTo(0.7 * 0.97, 12)
    expect(weights.scale).toBeCloseTo(0.15 * 0.97, 12)
    expect(weights['bin 1']).toBeCloseTo(0.015 * 0.97, 12)
  })

  test('of a constant are only what has no ordinary value', () => {
    const constant: NumericProfile = {
      name: 'k',
      kind: 'numeric',
      edges: [5],
      points: [5],
      counts: [0, 0, 100, 0, 0, 0, 0],
    }
    const scores = openScores(constant)
    expect(scores.directions.map(({ name }) => name)).toEqual(['missing', 'invalid', 'outside'])
    expect(scores.merge([1, 2, 0, 0, 0, 0, 0])).toEqual([3, 0, 0, 3])
  })
})

describe('evidence', () => {
  test('is the formula, by hand for one direction', () => {
    const told = { direction: { weight: 1 }, rows: 100, baselineRows: 1000, mean: 0.4, variance: 150 }
    const v = 150 / 100 ** 2 + 1 / 1000
    expect(logEvidence([told])).toBeCloseTo(0.5 * Math.log(v / (v + 0.04)) + 0.08 * (1 / v - 1 / (v + 0.04)), 12)
  })

  test('reaches its threshold where the mean leaves its bracket', () => {
    const [v, level] = [0.004, 0.05 * 0.7]
    const told = { direction: { weight: 0.7 }, rows: 1000, baselineRows: 1000, mean: radius(v, level), variance: 3000 }
    expect(logEvidence([told])).toBeCloseTo(Math.log(1 / 0.05), 10)
  })

  // The table of evidence, section 7: R at n = ∞, of the location with weight .7.
  test.each([
    [500, 1, 0.143],
    [1000, 1, 0.103],
    [5832, 10, 0.054],
    [20_000, 50, 0.033],
  ])('has the radius of the table: baseline %i, %i features', (rows, features, wanted) => {
    expect(radius(1 / rows, (0.05 * 0.7) / features)).toBeCloseTo(wanted, 3)
  })

  // Evidence, section 6: 11, 16 and 19 clusters for 1, 10 and 50 features.
  test.each([
    [1, 11],
    [10, 16],
    [50, 19],
  ])('takes more clusters for %i features', (features, wanted) => {
    expect(leastClusters(Math.log(features / 0.05) - Math.log(0.7))).toBe(wanted)
  })
})
