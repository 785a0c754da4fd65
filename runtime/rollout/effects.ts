/**
 * What a treatment changes, absolute and relative, from sums over units; adjusted by what was known of a unit before
 * (CUPED: Deng, Xu, Kohavi, Walker 2013) where it is told.
 */
import { radius, tunedSpread } from './sequence.ts'

/** Of one arm: y is the outcome of a unit, x the same from before; x is 0 throughout where nothing is known. */
export interface UnitSums {
  units: number
  y: number
  yy: number
  yyy: number
  x: number
  xx: number
  xy: number
}

export interface Estimate {
  value: number
  /** Of the estimate. */
  variance: number
  /** Of both arms. */
  units: number
}

export interface Effect {
  /** Treatment less control. */
  absolute: Estimate
  /** The same as a share of control's mean; absent where that is too near to 0 for its own error. */
  relative?: Estimate
}

export function openUnitSums(): UnitSums {
  return { units: 0, y: 0, yy: 0, yyy: 0, x: 0, xx: 0, xy: 0 }
}

/**
 * @param before - the unit's value before the experiment
 * @param times - 1, or -1 to take it back
 */
export function addUnit(sums: UnitSums, y: number, before = 0, times: 1 | -1 = 1): void {
  sums.units += times
  sums.y += times * y
  sums.yy += times * y ** 2
  sums.yyy += times * y ** 3
  sums.x += times * before
  sums.xx += times * before ** 2
  sums.xy += times * before * y
}

/**
 * Undefined while an arm has too few units for its mean to be normal: an arm in which nobody bought has no variance, and
 * looks certain.
 */
export function effectOf(control: UnitSums, treatment: UnitSums): Effect | undefined {
  return partOf({ control, treatment })?.effect
}

/** Of one revision, with what else its share in a combined effect goes by. */
interface Part {
  effect: Effect
  slope: number
  /** By how much an effect moves with the mean of an arm. */
  absolute: Sides<number>
  relative: Sides<number>
  weights: { absolute: number; relative: number }
}

function partOf({ control, treatment }: Revision): Part | undefined {
  if (Math.min(control.units, treatment.units) < leastUnits(control, treatment)) return undefined
  const slope = slopeOf([control, treatment])
  const units = control.units + treatment.units
  const before = (control.x + treatment.x) / units
  const [a, b] = [adjusted(control, slope, before), adjusted(treatment, slope, before)]
  const { mean, variance: own } = pooled(control, treatment)
  const absolute = { value: b.mean - a.mean, variance: a.variance + b.variance, units }
  const part = {
    slope,
    absolute: { control: -1, treatment: 1 },
    relative: { control: -b.mean / a.mean ** 2, treatment: 1 / a.mean },
    weights: { absolute: 1 / own, relative: mean ** 2 / own },
  }
  if (a.mean < leastErrors * Math.sqrt(a.variance) || a.mean <= 0) return { effect: { absolute }, ...part }
  // Delta method: the ratio of two independent means.
  const variance = b.variance * part.relative.treatment ** 2 + a.variance * part.relative.control ** 2
  return { effect: { absolute, relative: { value: absolute.value / a.mean, variance, units } }, ...part }
}

/** Cochran's rule with its number for an error of half a percent (Boos & Hughes-Oliver, 2000): n > 25·skewness². */
function leastUnits(a: UnitSums, b: UnitSums): number {
  const units = a.units + b.units
  const mean = (a.y + b.y) / units
  const square = (a.yy + b.yy) / units
  const variance = square - mean ** 2
  // Of units that are all alike nothing says how they vary.
  if (!(variance > 0)) return Number.POSITIVE_INFINITY
  const third = (a.yyy + b.yyy) / units - 3 * mean * square + 2 * mean ** 3
  return Math.max(30, (25 * third ** 2) / variance ** 3)
}

/** Standard errors of control's mean above 0: the delta method takes it as known. */
const leastErrors = 6

/**
 * An interval that holds at every look.
 *
 * @param tuning - units at which it is narrowest
 */
export function intervalOf(estimate: Estimate, level: number, tuning = 5000): { low: number; high: number } {
  const variance = Math.max(Number.MIN_VALUE, estimate.variance)
  const half = radius(variance, tunedSpread(variance, estimate.units, tuning, level), level)
  return { low: estimate.value - half, high: estimate.value + half }
}

type Sides<Of> = { control: Of; treatment: Of }

/** Both arms while one split was in force. */
export type Revision = Sides<UnitSums>

/** Units that came in two revisions: their outcomes of each, and products of them. */
export interface Overlap {
  /** Places of the revisions. */
  first: number
  second: number
  /** By the arm of the first and that of the second. */
  sums: Sides<Sides<CrossSums>>
}

/** 1 is of the first revision, 2 of the second. */
export interface CrossSums {
  units: number
  y1: number
  y2: number
  x1: number
  x2: number
  y1y2: number
  y1x2: number
  x1y2: number
  x1x2: number
}

/**
 * The effect over revisions with different splits: each by itself, then by inverse variance, never from pooled units, whose
 * base rate moves with the split. The variances that weigh are of both arms together: an arm in which little happened is
 * not precise. Undefined without a revision that has enough.
 *
 * @param overlaps - of units that came in more than one: what they tell again is no news
 */
export function combineEffects(revisions: readonly Revision[], overlaps: readonly Overlap[] = []): Effect | undefined {
  const parts = revisions.map(partOf)
  const absolute = average('absolute', parts, revisions, overlaps)
  if (absolute === undefined) return undefined
  const relative = average('relative', parts, revisions, overlaps)
  return { absolute, ...(relative && { relative }) }
}

function average(
  kind: 'absolute' | 'relative',
  parts: readonly (Part | undefined)[],
  revisions: readonly Revision[],
  overlaps: readonly Overlap[],
): Estimate | undefined {
  const weights = parts.map((part) => {
    const weight = part?.effect[kind] === undefined ? 0 : part.weights[kind]
    return Number.isFinite(weight) && weight > 0 ? weight : 0
  })
  const all = weights.reduce((sum, weight) => sum + weight, 0)
  if (all === 0) return undefined
  const found = { value: 0, variance: 0, units: 0 }
  for (const [i, weight] of weights.entries()) {
    const estimate = parts[i]?.effect[kind]
    if (estimate === undefined || weight === 0) continue
    found.value += (weight / all) * estimate.value
    found.variance += (weight / all) ** 2 * estimate.variance
    found.units += estimate.units
  }
  for (const overlap of overlaps) {
    const { first, second } = overlap
    const [a, b] = [parts[first], parts[second]]
    const share = ((weights[first] ?? 0) / all) * ((weights[second] ?? 0) / all)
    if (a === undefined || b === undefined || share === 0) continue
    found.variance += 2 * share * covarianceOf(kind, a, b, overlap, revisions)
  }
  return { ...found, variance: Math.max(0, found.variance) }
}

/** Of the effects of two revisions, through the units that came in both. */
function covarianceOf(
  kind: 'absolute' | 'relative',
  a: Part,
  b: Part,
  { first, second, sums }: Overlap,
  revisions: readonly Revision[],
): number {
  let covariance = 0
  for (const one of sides) {
    for (const other of sides) {
      const [p, q] = [revisions[first]?.[one], revisions[second]?.[other]]
      if (p === undefined || q === undefined) continue
      const cross = sums[one][other]
      const [mean1, mean2] = [(p.y - a.slope * p.x) / p.units, (q.y - b.slope * q.x) / q.units]
      const product = cross.y1y2 - b.slope * cross.y1x2 - a.slope * cross.x1y2 + a.slope * b.slope * cross.x1x2
      const [sum1, sum2] = [cross.y1 - a.slope * cross.x1, cross.y2 - b.slope * cross.x2]
      const shared = product - mean2 * sum1 - mean1 * sum2 + cross.units * mean1 * mean2
      covariance += (a[kind][one] * b[kind][other] * shared) / (p.units * q.units)
    }
  }
  return covariance
}

const sides = ['control', 'treatment'] as const

/** Mean of both arms, and the variance of their difference if they were alike. */
function pooled(a: UnitSums, b: UnitSums): { mean: number; variance: number } {
  const units = a.units + b.units
  const mean = (a.y + b.y) / units
  const own = (a.yy + b.yy) / units - mean ** 2
  return { mean, variance: Math.max(0, own) * (1 / a.units + 1 / b.units) }
}

// One slope for both arms: x was known before the split.
function slopeOf(arms: readonly UnitSums[]): number {
  let [covariance, variance] = [0, 0]
  for (const { units, y, x, xx, xy } of arms) {
    covariance += xy - (x * y) / units
    variance += xx - x ** 2 / units
  }
  return variance > 0 ? covariance / variance : 0
}

function adjusted({ units, y, yy, x, xx, xy }: UnitSums, slope: number, before: number) {
  const mean = y / units - slope * (x / units - before)
  const own = (yy - y ** 2 / units) / (units - 1)
  const spread = (xx - x ** 2 / units) / (units - 1)
  const shared = (xy - (x * y) / units) / (units - 1)
  return { mean, variance: Math.max(0, own - 2 * slope * shared + slope ** 2 * spread) / units }
}
