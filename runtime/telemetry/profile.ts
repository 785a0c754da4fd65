/** Profile: rows counted against the cells of a ProfileSpec, whose layout `contract/profile-spec.ts` fixes. */
import type { CategoricalProfile, NumericProfile, ProfileFeature, ProfileSpec } from '../contract/profile-spec.ts'
import { SelvedgeError } from '../errors.ts'

/** Integer counts by cell of each feature and output; what hosts report and the registry adds up. */
export interface Counts {
  rows: number
  counts: Record<string, number[]>
  outputs: Record<string, number[]>
}

export interface Profile {
  /**
   * Counts one row; a feature that `values` does not hold counts as null, a name that the spec does not hold is passed over.
   *
   * @returns the cell of each feature, in the order of the spec; the next row overwrites it
   */
  countRow(values: Readonly<Record<string, unknown>>): ArrayLike<number>
  /** Counts what the row's answer was, as {@link Profile.countRow} does; the row itself is counted by that alone. */
  countOutput(values: Readonly<Record<string, unknown>>): ArrayLike<number>
  /** A copy of the counts so far. */
  counts(): Counts
}

/** A profile with all counts at 0. Price of a counted value: a binary search, well under a microsecond. */
export function openProfile(spec: ProfileSpec): Profile {
  const features = spec.features.map(openCounter)
  const outputs = spec.outputs.map(openCounter)
  const cells = new Int32Array(features.length)
  const outputCells = new Int32Array(outputs.length)
  let rows = 0
  return {
    countRow(values) {
      rows++
      for (let i = 0; i < features.length; i++) cells[i] = features[i]?.count(values) ?? 0
      return cells
    },
    countOutput(values) {
      for (let i = 0; i < outputs.length; i++) outputCells[i] = outputs[i]?.count(values) ?? 0
      return outputCells
    },
    counts: () => ({ rows, counts: countsByName(features), outputs: countsByName(outputs) }),
  }
}

/**
 * The counts of both together. Exact in any order and grouping while no sum passes 2^53 - 1.
 *
 * @throws {@link SelvedgeError} `EDGES_DIFFER` where the two do not have the same features with the same number of cells
 */
export function addCounts(a: Counts, b: Counts): Counts {
  return {
    rows: a.rows + b.rows,
    counts: addByName(a.counts, b.counts),
    outputs: addByName(a.outputs, b.outputs),
  }
}

/** What each cell of a feature holds, in words, in the order of its counts. */
export function cellNames(feature: ProfileFeature): string[] {
  if (feature.kind === 'categorical') return [...feature.values, 'other', 'null', 'wrong type']
  const edges = feature.edges.map(shortest)
  const bins = edges.slice(1).map((edge, i) => `${edges[i]} to ${edge}`)
  const outer = edges.length === 0 ? ['any number'] : [`below ${edges[0]}`, ...bins, `${edges.at(-1)} and up`]
  return [...outer, ...feature.points.map((point) => `= ${shortest(point)}`), 'null', 'NaN', 'infinite', 'wrong type']
}

/** Number of cells that a feature's counts have. */
export function cellCount(feature: ProfileFeature): number {
  return feature.kind === 'categorical'
    ? feature.values.length + 3
    : feature.edges.length + 1 + feature.points.length + 4
}

interface Counter {
  name: string
  cells: number[]
  /** @returns the cell */
  count(values: Readonly<Record<string, unknown>>): number
}

function openCounter(feature: ProfileFeature): Counter {
  const { name } = feature
  const cells = new Array<number>(cellCount(feature)).fill(0)
  const cellOf = feature.kind === 'numeric' ? numericCells(feature) : categoricalCells(feature)
  return {
    name,
    cells,
    count(values) {
      const cell = cellOf(Object.hasOwn(values, name) ? values[name] : undefined)
      cells[cell] = (cells[cell] ?? 0) + 1
      return cell
    },
  }
}

function numericCells(feature: NumericProfile): (value: unknown) => number {
  const edges = Float64Array.from(feature.edges)
  const firstPoint = edges.length + 1
  const points = new Map(feature.points.map((point, i) => [point, firstPoint + i]))
  const nullCell = firstPoint + feature.points.length
  return (value) => {
    if (value === null || value === undefined) return nullCell
    if (typeof value !== 'number' && typeof value !== 'bigint') return nullCell + 3
    const number = Math.fround(Number(value))
    if (Number.isNaN(number)) return nullCell + 1
    if (!Number.isFinite(number)) return nullCell + 2
    return points.get(number) ?? edgesUpTo(edges, number)
  }
}

function edgesUpTo(edges: Float64Array, value: number): number {
  let low = 0
  let high = edges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((edges[middle] ?? Number.POSITIVE_INFINITY) <= value) low = middle + 1
    else high = middle
  }
  return low
}

function categoricalCells(feature: CategoricalProfile): (value: unknown) => number {
  const places = new Map(feature.values.map((value, i) => [value, i]))
  const other = feature.values.length
  return (value) => {
    if (value === null || value === undefined) return other + 1
    const text = categoryText(value)
    return text === undefined ? other + 2 : (places.get(text) ?? other)
  }
}

/** A category as text: numbers and booleans are written as JSON writes them, so that 3 is "3"; undefined for anything else. */
export function categoryText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : undefined
}

function countsByName(counters: readonly Counter[]): Record<string, number[]> {
  return Object.fromEntries(counters.map(({ name, cells }) => [name, [...cells]]))
}

function addByName(a: Record<string, number[]>, b: Record<string, number[]>): Record<string, number[]> {
  const names = Object.keys(a)
  const extra = Object.keys(b).find((name) => !Object.hasOwn(a, name))
  if (extra !== undefined) throw edgesDiffer(extra, 0, b[extra]?.length ?? 0)
  return Object.fromEntries(
    names.map((name) => {
      const left = a[name] ?? []
      const right = Object.hasOwn(b, name) ? (b[name] ?? []) : []
      if (left.length !== right.length) throw edgesDiffer(name, left.length, right.length)
      return [name, left.map((count, i) => count + (right[i] ?? 0))]
    }),
  )
}

function edgesDiffer(name: string, left: number, right: number): SelvedgeError {
  return new SelvedgeError('EDGES_DIFFER', `"${name}": ${left} cells on one side, ${right} on the other`, { name })
}

/** The fewest digits that still name this float32. */
function shortest(value: number): string {
  for (let digits = 1; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits))
    if (Math.fround(rounded) === Math.fround(value)) return String(rounded)
  }
  return String(value)
}
