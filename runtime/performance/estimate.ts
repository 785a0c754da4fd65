/**
 * CBPE, confidence-based performance estimation: what a classification of two classes would score on rows without
 * outcomes, if rows of one score are positive as often as in the baseline. A drift of the concept it cannot see.
 */
import type { NumericProfile } from '../contract/profile-spec.ts'
import { auc, type ScoredCell, scoredCells } from './classification.ts'
import { deviations, type Estimate } from './intervals.ts'

export interface Estimated {
  rows: number
  accuracy: Estimate
  precision?: number
  recall?: number
  auc?: number
  /** What each of them rests on. */
  condition: 'if the concept did not change'
}

/**
 * The interval is of what the baseline's outcomes leave open. Undefined where the profile has no positives, or no row has
 * a score.
 *
 * @param counts - of the score, cell by cell as in the profile
 */
export function estimate(profile: NumericProfile, counts: readonly number[], level: number): Estimated | undefined {
  const { positives } = profile
  if (positives === undefined) return undefined
  const negatives = profile.counts.map((rows, cell) => rows - (positives[cell] ?? 0))
  const baseline = scoredCells(profile, { negatives, positives })
  const now = scoredCells(profile, { negatives: counts, positives: [] })
  const rows = now.reduce((sum, cell) => sum + cell.negatives, 0)
  const chances = chancesOf(baseline)
  if (rows === 0 || chances === undefined) return undefined
  const expected = now.map((cell, i): ScoredCell => {
    const { chance } = chances[i] ?? { chance: 0 }
    return { ...cell, positives: cell.negatives * chance, negatives: cell.negatives * (1 - chance) }
  })
  const sum = (of: (cell: ScoredCell) => number) => expected.reduce((total, cell) => total + of(cell), 0)
  const hits = sum(({ isPositive, positives }) => (isPositive ? positives : 0))
  const predicted = sum((cell) => (cell.isPositive ? cell.positives + cell.negatives : 0))
  const actual = sum(({ positives }) => positives)
  const accuracy = (hits + sum(({ isPositive, negatives }) => (isPositive ? 0 : negatives))) / rows
  const variance = now.reduce((total, { negatives }, i) => {
    const { chance, rows: known } = chances[i] ?? { chance: 0, rows: 1 }
    return total + (negatives / rows) ** 2 * ((chance * (1 - chance)) / known)
  }, 0)
  const half = deviations(level) * Math.sqrt(variance)
  const area = auc(expected, level)
  return {
    rows,
    accuracy: { value: accuracy, low: Math.max(0, accuracy - half), high: Math.min(1, accuracy + half) },
    ...(predicted > 0 && { precision: hits / predicted }),
    ...(actual > 0 && { recall: hits / actual }),
    ...(area && { auc: area.value }),
    condition: 'if the concept did not change',
  }
}

/** Share of positives by cell; of a cell that the baseline never had, that of the nearest one that it had. */
function chancesOf(baseline: readonly ScoredCell[]): { chance: number; rows: number }[] | undefined {
  const known = baseline
    .map(({ value, negatives, positives }) => ({ value, rows: negatives + positives, positives }))
    .filter(({ rows }) => rows > 0)
  if (known.length === 0) return undefined
  return baseline.map(({ value, negatives, positives }) => {
    if (negatives + positives > 0) {
      return { chance: positives / (negatives + positives), rows: negatives + positives }
    }
    const near = known.reduce((best, each) =>
      Math.abs(each.value - value) < Math.abs(best.value - value) ? each : best,
    )
    return { chance: near.positives / near.rows, rows: near.rows }
  })
}
