import { describe, expect, test } from 'vitest'
import { median, pairedDifference, pairedRatio, quantile, spread } from '../../bench/harness/statistics.ts'

describe('quantiles', () => {
  test('are interpolated as in R, type 7', () => {
    // R: quantile(c(1, 2, 4, 8), c(0, .1, .5, .9, 1)) gives 1, 1.3, 3, 6.8, 8.
    const samples = [8, 1, 4, 2]
    expect([0, 0.1, 0.5, 0.9, 1].map((q) => quantile(samples, q))).toEqual([
      1,
      expect.closeTo(1.3, 12),
      3,
      expect.closeTo(6.8, 12),
      8,
    ])
  })

  test('leave the samples in their order', () => {
    const samples = [3, 1, 2]
    expect(median(samples)).toBe(2)
    expect(samples).toEqual([3, 1, 2])
  })

  test('of one sample are the sample', () => {
    expect(spread([5])).toEqual({ median: 5, p10: 5, p90: 5 })
  })

  test('sort by value and not by text', () => {
    expect(median([100, 9, 20])).toBe(20)
  })
})

const rounds = (own: readonly number[], other: readonly number[]) =>
  own.map((each, i) => ({ own: [each], other: [other[i] ?? Number.NaN] }))

describe('the ratio of paired rounds', () => {
  test('is the median of the ratios within rounds, with the least and the greatest', () => {
    // The second round ran on a machine at half speed; its ratio is what counts.
    expect(pairedRatio(rounds([2, 4, 3], [1, 2, 1]))).toEqual({ median: 2, least: 2, most: 3, confidence: 0.75 })
  })

  test('pairs the samples of a round where they were taken in turn', () => {
    // Half of the round ran at half speed: the medians say 3 / 2.5.
    const pairs = { own: [2, 2, 4, 4], other: [1, 1, 4, 4] }
    expect(pairedRatio([pairs]).median).toBe(1.5)
    expect(pairedDifference([pairs]).median).toBe(0.5)
  })

  test('is sure to 1 - 2 / 2^n', () => {
    expect(pairedRatio(rounds([1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1])).confidence).toBe(0.96875)
    expect(pairedRatio(rounds([1], [1])).confidence).toBe(0)
  })
})

describe('the difference of paired rounds', () => {
  test('is the median of the differences within rounds, with the least and the greatest', () => {
    expect(pairedDifference(rounds([2, 4, 3], [1, 4, 5]))).toEqual({ median: 0, least: -2, most: 1, confidence: 0.75 })
  })
})
