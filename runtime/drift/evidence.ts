/** Evidence that rows moved: a mixture over directions, sizes of a shift, and blocks of time (evidence, sections 1 and 7). */
import { type ClusterSums, quadratic } from './clusters.ts'
import { type Direction, rowsOver, type Scores } from './scores.ts'

/** Standard deviation, in those of a row's score, of the shifts that are looked for. */
const tau2 = 0.2 ** 2

/** What a block of rows says in one direction. */
export interface Told {
  direction: Pick<Direction, 'name' | 'weight' | 'deviation'>
  /** Rows of the block, and of the baseline. */
  rows: number
  baselineRows: number
  /** Mean score ȳ in standard deviations of the baseline; 0 where fewer rows cannot be told. */
  mean: number
  /** Variance of the sum of scores, V: by clusters, or by the rows with the design effect since the start. */
  variance: number
  /** Rows that tell as much as one independent row, φ, at least 1. */
  designEffect: number
}

/** Sums as they stood at the end of each window, in the directions of one feature. */
export interface Track {
  readonly length: number
  /** Adds the end of a window. */
  push(sums: ClusterSums): void
  /** The windows from `from`, included, to `to`, excluded; the design effect is that since `start`. */
  measure(from: number, to: number, start: number): Told[]
  /** How many clusters are in a block. */
  clusters(from: number, to: number, start: number): number
  counts(from: number, to: number): number[]
}

export function openTrack(scores: Scores): Track {
  const { directions, bins, size, baseline } = scores
  const zero = {
    clusters: 0,
    counts: new Array<number>(size).fill(0),
    totals: directions.map(() => 0),
    squares: directions.map(() => 0),
    rowSquares: directions.map(() => 0),
  }
  // A row outside is in a bin or level as well, and where it has a score of its own all of those have one.
  const squareScores = directions.map(({ scores }) =>
    scores.map((score, place) => score * (place === bins + 2 ? score + 2 * (scores[0] ?? 0) : score)),
  )
  const baselineRows = { values: rowsOver('values', baseline, bins), rows: rowsOver('rows', baseline, bins) }
  const ends = [zero]
  const end = (at: number) => ends[at] ?? zero
  let pushed: ClusterSums | undefined
  let effects: { start: number; to: number; of: number[] } | undefined

  function counts(from: number, to: number): number[] {
    const [first, last] = [end(from), end(to)]
    return last.counts.map((count, i) => count - (first.counts[i] ?? 0))
  }

  /**
   * Variance of a block's total as if its rows were unrelated, and as they are. Of unrelated rows it is n under the baseline;
   * but the tail of scores with skewness γ is that of n·(1 + γȳ/3) (Bernstein), and squares are counted of n·(1 + γȳ): so a
   * third of what they are off. The whole would hide the very shift that it comes from.
   */
  function squaresOf(d: number, from: number, to: number, rows: number): { expected: number; square: number } {
    const [first, last] = [end(from), end(to)]
    const counted = (last.rowSquares[d] ?? 0) - (first.rowSquares[d] ?? 0)
    const expected = rows + (counted - rows) / 3
    return { expected, square: (last.squares[d] ?? 0) - (first.squares[d] ?? 0) - counted + expected }
  }

  function rowsIn(from: number, to: number): Record<Direction['over'], number> {
    const block = counts(from, to)
    return { values: rowsOver('values', block, bins), rows: rowsOver('rows', block, bins) }
  }

  // All blocks of a look share them.
  function designEffects(start: number, to: number): number[] {
    if (effects?.start !== start || effects.to !== to) effects = { start, to, of: findDesignEffects(start, to) }
    return effects.of
  }

  function findDesignEffects(start: number, to: number): number[] {
    const since = rowsIn(start, to)
    const found = directions.map(({ over }, d) => {
      const rows = since[over]
      const { expected, square } = squaresOf(d, start, to, rows)
      return rows === 0 ? 1 : Math.max(1, square / expected)
    })
    // A skewed score may not look less correlated than the location, or than any level (evidence, section 5.6). A pool
    // that the baseline hardly had is skewed itself: one row of it would hide everything else.
    const leading = directions.flatMap(({ over, upwardsOnly }, d) => {
      const leads = scores.kind === 'numeric' ? d === 0 : !upwardsOnly
      return leads && over === 'values' ? [found[d] ?? 1] : []
    })
    return found.map((own) => Math.max(own, ...leading))
  }

  return {
    get length() {
      return ends.length - 1
    },
    push(sums) {
      const last = ends.at(-1)
      // A window without rows.
      if (sums === pushed && last !== undefined) {
        ends.push(last)
        return
      }
      pushed = sums
      effects = undefined
      const { clusters, counts, squares } = sums
      ends.push({
        clusters,
        counts: [...counts],
        totals: directions.map(({ scores }) => totalOf(scores, counts)),
        squares: directions.map(({ scores }) => quadratic(scores, squares)),
        rowSquares: squareScores.map((scores) => totalOf(scores, counts)),
      })
    },
    measure(from, to, start) {
      const block = rowsIn(from, to)
      const effects = designEffects(start, to)
      const [first, last] = [end(from), end(to)]
      return directions.map((direction, d) => {
        const rows = block[direction.over]
        const total = (last.totals[d] ?? 0) - (first.totals[d] ?? 0)
        const { expected, square } = squaresOf(d, from, to, rows)
        const designEffect = effects[d] ?? 1
        return {
          direction,
          rows,
          baselineRows: baselineRows[direction.over],
          mean: meanOf(direction, total, rows),
          variance: Math.max(square, expected * designEffect),
          designEffect,
        }
      })
    },
    clusters: (from, to) => end(to).clusters - end(from).clusters,
    counts,
  }
}

/** Σ u·x. */
export function totalOf(scores: readonly number[], merged: readonly number[]): number {
  let total = 0
  for (let i = 0; i < scores.length; i++) total += (scores[i] ?? 0) * (merged[i] ?? 0)
  return total
}

/** Mean score of a block; 0 where there are no rows, or fewer of them than in the baseline and that cannot be told. */
export function meanOf({ upwardsOnly }: Pick<Direction, 'upwardsOnly'>, total: number, rows: number): number {
  const mean = rows === 0 ? 0 : total / rows
  return upwardsOnly ? Math.max(0, mean) : mean
}

type Evident = Pick<Told, 'rows' | 'baselineRows' | 'mean' | 'variance'> & { direction: { weight: number } }

/** ln E = ln Σ w √(v/(v+τ²)) exp(½ȳ²(1/v - 1/(v+τ²))), v = V/n² + 1/m. */
export function logEvidence(measures: readonly Evident[]): number {
  const terms = measures.map(({ direction, rows, baselineRows, mean, variance }) => {
    if (rows === 0 || baselineRows === 0) return Math.log(direction.weight)
    const v = variance / rows ** 2 + 1 / baselineRows
    const gain = 0.5 * mean ** 2 * (1 / v - 1 / (v + tau2))
    return Math.log(direction.weight) + 0.5 * Math.log(v / (v + tau2)) + gain
  })
  const most = Math.max(...terms)
  return most + Math.log(terms.reduce((sum, term) => sum + Math.exp(term - most), 0))
}

/**
 * Half the width of the confidence sequence around a mean: the same evidence turned round (evidence, section 7).
 *
 * @param v - null variance of the mean, above 0
 * @param level - α of the direction: alpha · weight / features
 */
export function radius(v: number, level: number): number {
  return Math.sqrt(((v * (v + tau2)) / tau2) * (2 * Math.log(1 / level) + Math.log((v + tau2) / v)))
}

/** The variance at which the radius falls to `wanted`, above 0. */
export function varianceOfRadius(wanted: number, level: number): number {
  let [low, high] = [1e-12, 1]
  for (let i = 0; i < 60; i++) {
    const middle = Math.sqrt(low * high)
    if (radius(middle, level) < wanted) low = middle
    else high = middle
  }
  return low
}

/**
 * Fewest clusters that can ever be enough: each moves Z² by at most 1 (evidence, section 6).
 *
 * @param logThreshold - ln E at which there is an alarm
 */
export function leastClusters(logThreshold: number): number {
  for (let k = 1; ; k++) {
    if ((k - 1 - Math.log(k)) / 2 >= logThreshold) return k
  }
}
