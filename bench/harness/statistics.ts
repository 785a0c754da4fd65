/** Medians, quantiles and ratios of measured times: pure functions over numbers. */

/** The value that a share `q` of the samples lies below, interpolated between neighbours (Hyndman and Fan's type 7). */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  const place = (sorted.length - 1) * q
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

export interface Spread {
  median: number
  p10: number
  p90: number
}

export function spread(samples: readonly number[]): Spread {
  return { median: median(samples), p10: quantile(samples, 0.1), p90: quantile(samples, 0.9) }
}

/** A ratio with the least and the greatest of its rounds. */
export interface Ratio {
  median: number
  least: number
  most: number
  /** Chance that the true median lies between `least` and `most`. */
  confidence: number
}

/**
 * How many times as long one took as the other, from rounds that ran side by side.
 *
 * Pairing takes out what slows a whole round. The interval from the least to the greatest of n independent rounds misses
 * the median only if all n fall on one side of it: 2 times 2^-n, whatever the distribution.
 *
 * @param times - one figure a round
 * @param baseline - of the same rounds in the same order, above 0
 */
export function pairedRatio(times: readonly number[], baseline: readonly number[]): Ratio {
  const ratios = times.map((time, round) => time / (baseline[round] ?? Number.NaN))
  return {
    median: median(ratios),
    least: Math.min(...ratios),
    most: Math.max(...ratios),
    confidence: 1 - 2 ** (1 - ratios.length),
  }
}
