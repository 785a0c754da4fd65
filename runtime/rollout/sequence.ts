/** Confidence sequences: intervals that hold at every look at once (evidence, sections 1 and 7). */

/**
 * Half the width around an estimate, by a normal mixture (Robbins; Howard et al. 2021).
 *
 * @param variance - of the estimate, above 0
 * @param spread - standard deviation of the effects that are looked for: where the sequence is narrowest
 * @param level - α of this sequence over all looks
 */
export function radius(variance: number, spread: number, level: number): number {
  const spread2 = spread ** 2
  const widened = variance + spread2
  return Math.sqrt(((variance * widened) / spread2) * (2 * Math.log(1 / level) + Math.log(widened / variance)))
}

/**
 * The spread at which a sequence is narrowest after so many units, as GrowthBook chooses it.
 *
 * @param variance - of an estimate from `units` units
 * @param tuning - units
 */
export function tunedSpread(variance: number, units: number, tuning: number, level: number): number {
  const twice = -2 * Math.log(level)
  return Math.sqrt((variance * units * (twice + Math.log(twice + 1))) / tuning)
}
