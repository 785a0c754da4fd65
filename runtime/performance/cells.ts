/** Cells of a predicted number in order, and what stands for the numbers in each. */
import type { NumericProfile } from '../contract/profile-spec.ts'
import { spansOf } from '../drift/order.ts'

export interface NumberCell {
  /** Place in the counts of the profile. */
  cell: number
  /** Numbers in it are from `low` on and below `high`; of a point, both are its value. */
  low: number
  high: number
  /** The middle; of an outer cell, its edge. */
  value: number
}

/** Rising by the number that stands for each. */
export function numberCellsOf(profile: NumericProfile): NumberCell[] {
  const cells = spansOf(profile).flatMap(({ low, high, bin, points }) => [
    ...(bin === undefined ? [] : [{ cell: bin, low, high, value: middle(low, high) }]),
    ...points.map(({ value, cell }) => ({ cell, low: value, high: value, value })),
  ])
  return cells.toSorted((a, b) => a.value - b.value)
}

function middle(low: number, high: number): number {
  if (low === Number.NEGATIVE_INFINITY) return high === Number.POSITIVE_INFINITY ? 0 : high
  return high === Number.POSITIVE_INFINITY ? low : (low + high) / 2
}
