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

/** Figures of one round: each of the one beside one of the other. */
export interface Pairs {
  own: readonly number[]
  /** As many, above 0. */
  other: readonly number[]
}

/**
 * How many times as much one was as the other, from rounds in which both were measured: the median within each round,
 * and the median over rounds.
 *
 * Pairing takes out what slows a whole round. The interval from the least to the greatest of n independent rounds misses
 * the median only if all n fall on one side of it: 2 times 2^-n, whatever the distribution.
 */
export function pairedRatio(rounds: readonly Pairs[]): Paired {
  return paired(rounds, (own, other) => own / other)
}

/** By how much one was more than the other, as {@link pairedRatio}. */
export function pairedDifference(rounds: readonly Pairs[]): Paired {
  return paired(rounds, (own, other) => own - other)
}

function paired(rounds: readonly Pairs[], compare: (own: number, other: number) => number): Paired {
  const medians = rounds.map(({ own, other }) => median(own.map((each, i) => compare(each, other[i] ?? Number.NaN))))
  return {
    median: median(medians),
    least: Math.min(...medians),
    most: Math.max(...medians),
    confidence: 1 - 2 ** (1 - medians.length),
  }
}
