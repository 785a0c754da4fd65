/** Intervals around shares and means. */
import { normalQuantile } from '../drift/normal.ts'

/** A number with the interval in which it lies at a level. */
export interface Estimate {
  value: number
  low: number
  high: number
}

/** Two-sided, so 0.95 leaves 2.5 % on each side. */
export function deviations(level: number): number {
  return normalQuantile((1 + level) / 2)
}

/**
 * Wilson's score interval of a share (Wilson, JASA 22, 1927). Undefined without rows.
 *
 * @param level - above 0 and below 1
 */
export function share(successes: number, rows: number, level: number): Estimate | undefined {
  if (rows === 0) return undefined
  const z2 = deviations(level) ** 2
  const value = successes / rows
  const centre = (value + z2 / (2 * rows)) / (1 + z2 / rows)
  const half = Math.sqrt(z2 * ((value * (1 - value)) / rows + z2 / (4 * rows * rows))) / (1 + z2 / rows)
  return { value, low: Math.max(0, Math.min(value, centre - half)), high: Math.min(1, Math.max(value, centre + half)) }
}

/**
 * Mean of numbers with the normal interval. Undefined of fewer than two.
 *
 * @param squares - sum of squares
 */
export function mean(sum: number, squares: number, rows: number, level: number): Estimate | undefined {
  if (rows < 2) return undefined
  const value = sum / rows
  const variance = Math.max(0, squares - rows * value * value) / (rows - 1)
  const half = deviations(level) * Math.sqrt(variance / rows)
  return { value, low: value - half, high: value + half }
}
