/** Errors of a regression: outcomes against the cells of the predicted values. */
import type { NumericProfile } from '../contract/profile-spec.ts'
import { numberCellsOf } from './cells.ts'
import { type Estimate, mean } from './intervals.ts'

export interface Regression {
  rows: number
  /** Mean absolute error, with the number that stands for each cell. */
  mae?: Estimate
  /** Root of the mean squared error. */
  rmse?: Estimate
  /** Between which the errors of the predictions themselves lie; no upper end where some are beyond the outer edges. */
  cells?: { mae: Range; rmse: Range }
}

interface Range {
  low: number
  high?: number
}

/** @param pairs - cell of the prediction, and the outcome */
export function regression(
  profile: NumericProfile,
  pairs: readonly (readonly [cell: number, outcome: number])[],
  level: number,
): Regression {
  const byCell = new Map(numberCellsOf(profile).map((each) => [each.cell, each]))
  const known = pairs.flatMap(([cell, outcome]) => {
    const found = byCell.get(cell)
    return found === undefined ? [] : [{ ...found, outcome }]
  })
  const rows = known.length
  if (rows === 0) return { rows }
  const errors = known.map(({ value, outcome }) => Math.abs(value - outcome))
  const [squares, fourths] = [power(errors, 2), power(errors, 4)]
  const least = known.map(({ low, high, outcome }) => Math.max(0, low - outcome, outcome - high))
  const most = known.map(({ low, high, outcome }) => Math.max(Math.abs(low - outcome), Math.abs(high - outcome)))
  const mae = mean(power(errors, 1), squares, rows, level)
  const mse = mean(squares, fourths, rows, level)
  return {
    rows,
    ...(mae && { mae: { ...mae, low: Math.max(0, mae.low) } }),
    ...(mse && {
      rmse: { value: Math.sqrt(mse.value), low: Math.sqrt(Math.max(0, mse.low)), high: Math.sqrt(mse.high) },
    }),
    cells: {
      mae: range(power(least, 1) / rows, power(most, 1) / rows),
      rmse: range(Math.sqrt(power(least, 2) / rows), Math.sqrt(power(most, 2) / rows)),
    },
  }
}

function power(numbers: readonly number[], exponent: number): number {
  return numbers.reduce((sum, number) => sum + number ** exponent, 0)
}

function range(low: number, high: number): Range {
  return Number.isFinite(high) ? { low, high } : { low }
}
