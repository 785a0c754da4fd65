/** The cells of a numeric feature that hold numbers, from the least to the greatest. */
import type { NumericProfile } from '../contract/profile-spec.ts'

/** Cells between two values at which the cumulative share is known exactly. */
export interface Span {
  /** Lower edge, included; -Infinity below the first edge. */
  low: number
  /** Upper edge, excluded; Infinity from the last edge up. Equal to `low` for a point that stands on an edge. */
  high: number
  /** Place in the counts of the bin, whose rows lie anywhere between the edges; absent for a point on an edge. */
  bin?: number
  /** Points in it, rising. */
  points: { value: number; cell: number }[]
}

/**
 * A point on an edge is a span of its own, since all below it and all above it are known apart; one between two edges
 * belongs to the bin around it.
 */
export function spansOf({ edges, points }: NumericProfile): Span[] {
  const firstPoint = edges.length + 1
  const places = points.map((value, i) => ({ value, cell: firstPoint + i }))
  return Array.from({ length: edges.length + 1 }, (_, bin) => {
    const low = edges[bin - 1] ?? Number.NEGATIVE_INFINITY
    const high = edges[bin] ?? Number.POSITIVE_INFINITY
    const onEdge = places.filter(({ value }) => value === low)
    const inside = places.filter(({ value }) => value > low && value < high)
    return [...onEdge.map((point) => ({ low, high: low, points: [point] })), { low, high, bin, points: inside }]
  }).flat()
}

/** Number of cells that hold finite numbers; null, NaN, infinite and wrong type come after them. */
export function numberCells({ edges, points }: NumericProfile): number {
  return edges.length + 1 + points.length
}
