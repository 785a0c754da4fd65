/**
 * How far two sets of counts are apart (design, section 10): shown beside a verdict and never used as a test, since each
 * of them grows with noise where rows are few.
 */
import type { NumericProfile } from '../contract/profile-spec.ts'
import { SelvedgeError } from '../errors.ts'
import { type Span, spansOf } from './order.ts'

/** How PSI treats empty cells: something is added to each count, or no share is taken for less than a floor. */
export type PsiConvention = { add: number } | { floor: number }

/** Half a row in each cell: the convention of our reports. */
export const psiConvention = { add: 0.5 }

/**
 * Population stability index Σ (q - p) ln(q / p), over the cells that either has: one that both lack would add half a row
 * to each, which is more where there are fewer.
 *
 * @param baseline - integer counts by cell, with a sum above 0 like `current`'s
 * @returns nats, at least 0; comparable only between profiles with the same number of cells and one convention
 * @throws {@link SelvedgeError} `EDGES_DIFFER`
 */
export function psi(
  baseline: readonly number[],
  current: readonly number[],
  convention: PsiConvention = psiConvention,
): number {
  demandSameCells(baseline, current)
  const isAny = (_: number, i: number) => (baseline[i] ?? 0) > 0 || (current[i] ?? 0) > 0
  const [p, q] = [psiShares(baseline.filter(isAny), convention), psiShares(current.filter(isAny), convention)]
  return p.reduce((sum, share, i) => sum + ((q[i] ?? 0) - share) * Math.log((q[i] ?? 0) / share), 0)
}

/**
 * Jensen-Shannon distance: the root of the divergence in bits.
 *
 * @returns 0 to 1
 * @throws {@link SelvedgeError} `EDGES_DIFFER`
 */
export function jensenShannon(baseline: readonly number[], current: readonly number[]): number {
  demandSameCells(baseline, current)
  const [p, q] = [shares(baseline), shares(current)]
  const divergence = p.reduce((sum, share, i) => {
    const other = q[i] ?? 0
    const middle = (share + other) / 2
    return sum + (bits(share, middle) + bits(other, middle)) / 2
  }, 0)
  return Math.sqrt(Math.max(0, divergence))
}

/**
 * The greatest difference of a cell's share.
 *
 * @returns 0 to 1
 * @throws {@link SelvedgeError} `EDGES_DIFFER`
 */
export function lInfinity(baseline: readonly number[], current: readonly number[]): number {
  demandSameCells(baseline, current)
  const q = shares(current)
  return Math.max(0, ...shares(baseline).map((share, i) => Math.abs((q[i] ?? 0) - share)))
}

/** Least and greatest value that a statistic of the rows themselves can have, given their counts. */
export interface Bracket {
  low: number
  high: number
}

/**
 * The two-sample Kolmogorov-Smirnov statistic D of the rows behind two sets of counts. With no point inside a bin it is
 * max |sᵢ| ≤ D ≤ maxᵢ max(sᵢ + pᵢ, qᵢ - sᵢ), where sᵢ is the difference of the cumulative shares at the bin's lower
 * edge (design, section 10); a point inside a bin counts as a step at an unknown place of the bin's rows.
 *
 * @param baseline - counts of the feature's cells; those that hold no number are passed over
 */
export function ksBracket(feature: NumericProfile, baseline: readonly number[], current: readonly number[]): Bracket {
  const bracket = { low: 0, high: 0 }
  let before = 0
  for (const { p, q, steps } of spanShares(feature, baseline, current)) {
    let [step, up, down] = [0, 0, 0]
    for (const each of steps) {
      step += each
      up = Math.max(up, step)
      down = Math.max(down, -step)
      // However the bin's rows lie around it, the difference after this step is at least so large.
      bracket.low = Math.max(bracket.low, before + step - q, -before - step - p)
    }
    // All of one side's rows of the bin may lie below a step, and all of the other's above it.
    bracket.high = Math.max(bracket.high, before + p + up, q + down - before)
    before += p - q + step
    bracket.low = Math.max(bracket.low, Math.abs(before))
  }
  return { low: bracket.low, high: Math.max(bracket.low, bracket.high) }
}

/**
 * Wasserstein distance of order 1, in the feature's unit: values outside of the baseline's range count as its ends, and
 * rows of a bin as spread over it evenly. Exact where every value is a point.
 */
export function wasserstein(feature: NumericProfile, baseline: readonly number[], current: readonly number[]): number {
  const known = [...feature.edges, ...feature.points].sort((a, b) => a - b)
  const ends = { first: known[0] ?? 0, last: known.at(-1) ?? 0 }
  const spans = spansOf(feature)
  const found = spanShares(feature, baseline, current)
  let [at, difference, distance] = [ends.first, 0, 0]
  const walk = (to: number, slope: number) => {
    const next = difference + slope * (to - at)
    distance += areaBetween(difference, next, to - at)
    ;[at, difference] = [to, next]
  }
  for (const [i, { low, high, points }] of spans.entries()) {
    const { p = 0, q = 0, steps = [] } = found[i] ?? {}
    const isInner = Number.isFinite(low) && Number.isFinite(high) && high > low
    const slope = isInner ? (p - q) / (high - low) : 0
    if (!isInner && low === Number.NEGATIVE_INFINITY) difference += p - q
    for (const [j, { value }] of points.entries()) {
      walk(value, slope)
      difference += steps[j] ?? 0
    }
    walk(Math.min(high, ends.last), slope)
  }
  return distance
}

/** Shares of rows below and above the range of the baseline. */
export function overflow(feature: NumericProfile, counts: readonly number[]): { below: number; above: number } {
  const spans = spansOf(feature)
  const total = spans.reduce((sum, span) => sum + rowsOf(span, counts), 0)
  const share = (cell: number) => (total === 0 ? 0 : (counts[cell] ?? 0) / total)
  return { below: share(0), above: feature.edges.length === 0 ? 0 : share(feature.edges.length) }
}

interface SpanShares {
  /** Shares of the bin's rows. */
  p: number
  q: number
  /** Differences of the shares of its points, rising. */
  steps: number[]
}

function spanShares(
  feature: NumericProfile,
  baseline: readonly number[],
  current: readonly number[],
): readonly SpanShares[] {
  demandSameCells(baseline, current)
  const spans = spansOf(feature)
  const m = Math.max(1, sum(spans.map((span) => rowsOf(span, baseline))))
  const n = Math.max(1, sum(spans.map((span) => rowsOf(span, current))))
  return spans.map(({ bin, points }) => ({
    p: bin === undefined ? 0 : (baseline[bin] ?? 0) / m,
    q: bin === undefined ? 0 : (current[bin] ?? 0) / n,
    steps: points.map(({ cell }) => (baseline[cell] ?? 0) / m - (current[cell] ?? 0) / n),
  }))
}

function rowsOf({ bin, points }: Span, counts: readonly number[]): number {
  return (bin === undefined ? 0 : (counts[bin] ?? 0)) + sum(points.map(({ cell }) => counts[cell] ?? 0))
}

/** Area between a line from `a` to `b` over `width` and the axis. */
function areaBetween(a: number, b: number, width: number): number {
  if (a * b >= 0) return (Math.abs(a + b) / 2) * width
  return ((a * a + b * b) / (2 * Math.abs(a - b))) * width
}

function psiShares(counts: readonly number[], convention: PsiConvention): number[] {
  if ('floor' in convention) return shares(counts).map((share) => Math.max(share, convention.floor))
  return shares(counts.map((count) => count + convention.add))
}

function shares(counts: readonly number[]): number[] {
  const total = Math.max(Number.MIN_VALUE, sum(counts))
  return counts.map((count) => count / total)
}

function bits(share: number, middle: number): number {
  return share === 0 ? 0 : share * Math.log2(share / middle)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function demandSameCells(baseline: readonly number[], current: readonly number[]): void {
  if (baseline.length === current.length) return
  throw new SelvedgeError('EDGES_DIFFER', `${baseline.length} cells on one side, ${current.length} on the other`)
}
