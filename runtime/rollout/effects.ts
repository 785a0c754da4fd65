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

/** @param before - the unit's value before the experiment */
export function addUnit(sums: UnitSums, y: number, before = 0): void {
  sums.units++
  sums.y += y
  sums.yy += y ** 2
  sums.yyy += y ** 3
  sums.x += before
  sums.xx += before ** 2
  sums.xy += before * y
}

/**
 * Undefined while an arm has too few units for its mean to be normal: an arm in which nobody bought has no variance, and
 * looks certain.
 */
export function effectOf(control: UnitSums, treatment: UnitSums): Effect | undefined {
  if (Math.min(control.units, treatment.units) < leastUnits(control, treatment)) return undefined
  const slope = slopeOf([control, treatment])
  const units = control.units + treatment.units
  const before = (control.x + treatment.x) / units
  const [a, b] = [control, treatment].map((arm) => adjusted(arm, slope, before))
  if (a === undefined || b === undefined) return undefined
  const absolute = { value: b.mean - a.mean, variance: a.variance + b.variance, units }
  if (a.mean < leastErrors * Math.sqrt(a.variance) || a.mean <= 0) return { absolute }
  // Delta method: the ratio of two independent means.
  const variance = b.variance / a.mean ** 2 + (a.variance * b.mean ** 2) / a.mean ** 4
  return { absolute, relative: { value: absolute.value / a.mean, variance, units } }
}

/** Cochran's rule with its number for an error of half a percent (Boos & Hughes-Oliver, 2000): n > 25·skewness². */
function leastUnits(a: UnitSums, b: UnitSums): number {
  const units = a.units + b.units
  const mean = (a.y + b.y) / units
  const square = (a.yy + b.yy) / units
  const variance = square - mean ** 2
  if (!(variance > 0)) return 30
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

/** Both arms while one split was in force. */
export interface Revision {
  control: UnitSums
  treatment: UnitSums
}

/**
 * The effect over revisions with different splits: each by itself, then by inverse variance, never from pooled units, whose
 * base rate moves with the split. The variances that weigh are of both arms together: an arm in which little happened is
 * not precise. Undefined without a revision that has enough.
 */
export function combineEffects(revisions: readonly Revision[]): Effect | undefined {
  const parts = revisions.flatMap(({ control, treatment }) => {
    const effect = effectOf(control, treatment)
    return effect ? [{ effect, ...pooled(control, treatment) }] : []
  })
  const absolute = average(parts.map(({ effect, variance }) => ({ estimate: effect.absolute, weight: 1 / variance })))
  if (absolute === undefined) return undefined
  const relative = average(
    parts.flatMap(({ effect, mean, variance }) =>
      effect.relative ? [{ estimate: effect.relative, weight: mean ** 2 / variance }] : [],
    ),
  )
  return { absolute, ...(relative && { relative }) }
}

function average(parts: readonly { estimate: Estimate; weight: number }[]): Estimate | undefined {
  const telling = parts.filter(({ weight }) => Number.isFinite(weight) && weight > 0)
  const weights = telling.reduce((sum, { weight }) => sum + weight, 0)
  if (weights === 0) return undefined
  return {
    value: telling.reduce((sum, { estimate, weight }) => sum + weight * estimate.value, 0) / weights,
    variance: telling.reduce((sum, { estimate, weight }) => sum + weight ** 2 * estimate.variance, 0) / weights ** 2,
    units: telling.reduce((sum, { estimate }) => sum + estimate.units, 0),
  }
}

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
