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

/** A ratio or a difference, with the least and the greatest of its rounds. */
export interface Paired {
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
export function pairedRatio(times: readonly number[], baseline: readonly number[]): Paired {
  return paired(times.map((time, round) => time / (baseline[round] ?? Number.NaN)))
}

/** By how much one was more than the other, as {@link pairedRatio}. */
export function pairedDifference(figures: readonly number[], baseline: readonly number[]): Paired {
  return paired(figures.map((figure, round) => figure - (baseline[round] ?? Number.NaN)))
}

function paired(rounds: readonly number[]): Paired {
  return {
    median: median(rounds),
    least: Math.min(...rounds),
    most: Math.max(...rounds),
    confidence: 1 - 2 ** (1 - rounds.length),
  }
}
