/** Baseline: the cells of a ProfileSpec, taken from the rows on which a version was trained or accepted (design, section 10). */
import type { Feature, OutputMeaning } from '../contract/description.ts'
import type { NumericProfile, ProfileFeature, ProfileSpec } from '../contract/profile-spec.ts'
import { openProfile } from './profile.ts'
import { openTies, type Tie } from './ties.ts'

/** Quantiles of the baseline that become edges. */
const bins = 64
/** Fewer rows in a bin than this tell nothing. */
const leastRows = 10
/** Values that a categorical profile can have; models with more classes get a profile of their scores alone. */
const mostValues = 10_000

type Values = Readonly<Record<string, unknown>>

export interface Baseline {
  /** @param values - what `recordValues` gives for one record */
  countRow(values: Values): void
  /**
   * @param values - what `outputValues` gives for its answer
   * @param isPositive - whether the second of two classes became true; left out where it is not known
   */
  countOutput(values: Values, isPositive?: boolean): void
  /** The same for the same rows in any order. */
  spec(): ProfileSpec
}

/**
 * Bin edges, points and vocabularies, with what the baseline itself counts in them; in bounded memory, however many rows.
 *
 * A number's bins hold about 1/64 of the baseline's numbers each, and at least 10 where there are that many and no point
 * cuts them off. A value with that much mass by itself is a point, and an edge as well, so that the rows below and above
 * it are known apart. The first edge is the least number and the last one the next float32 above the greatest, so the
 * outer cells are empty in the baseline. A score has its threshold among the edges, and positives where the outcome of
 * every answer is known.
 */
export function openBaseline(input: { features: readonly Feature[]; output?: OutputMeaning | undefined }): Baseline {
  const features = input.features.flatMap(openFeature)
  const outputs = input.output === undefined ? [] : openOutput(input.output)
  return {
    countRow(values) {
      for (const column of features) column.count(readValue(values, column.name))
    },
    countOutput(values, isPositive) {
      for (const column of outputs) column.count(readValue(values, column.name), isPositive)
    },
    spec: () => ({ features: features.map((each) => each.cells()), outputs: outputs.map((each) => each.cells()) }),
  }
}

/**
 * The same of rows that are at hand.
 *
 * @param input.outcomes - one an output: whether the second of two classes became true
 */
export function buildProfileSpec(input: {
  features: readonly Feature[]
  output?: OutputMeaning | undefined
  rows: Iterable<Values>
  outputs: Iterable<Values>
  outcomes?: readonly (boolean | undefined)[]
}): ProfileSpec {
  const baseline = openBaseline(input)
  for (const row of input.rows) baseline.countRow(row)
  let answer = 0
  for (const output of input.outputs) baseline.countOutput(output, input.outcomes?.[answer++])
  return baseline.spec()
}

interface Column {
  name: string
  count(value: unknown, isPositive?: boolean): void
  cells(): ProfileFeature
}

function openFeature(feature: Feature): Column[] {
  const { name } = feature
  if (feature.kind === 'numeric') return [openNumbers(name)]
  if (feature.kind === 'categorical') return [openCategories(name, feature.values)]
  return (['mean', 'std', 'zeros'] as const).map((statistic) => {
    const reduced = openNumbers(`${name}.${statistic}`)
    return { ...reduced, cells: () => ({ ...reduced.cells(), reduction: { feature: name, statistic } }) }
  })
}

function openOutput(output: OutputMeaning): Column[] {
  if (output.kind === 'regression') return [openNumbers('value')]
  const score = openNumbers('score', output.threshold)
  return output.classes.length > mostValues ? [score] : [openCategories('class', output.classes), score]
}

function openCategories(name: string, values: readonly string[]): Column {
  const feature: ProfileFeature = { name, kind: 'categorical', values: [...values], counts: [] }
  const profile = openProfile({ features: [feature], outputs: [] })
  return {
    name,
    count: (value) => profile.countRow({ [name]: value }),
    cells: () => ({ ...feature, counts: profile.counts().counts[name] ?? [] }),
  }
}

function openNumbers(name: string, threshold?: number) {
  // What is below the threshold is never taken together with what is not.
  const [below, above] = [openTies(), openTies()]
  const without = { missing: 0, nan: 0, infinite: 0, type: 0 }
  let isTold = true

  return {
    name,
    count(value: unknown, isPositive?: boolean) {
      if (value === null || value === undefined) {
        without.missing++
        return
      }
      if (typeof value !== 'number' && typeof value !== 'bigint') {
        without.type++
        return
      }
      const number = Math.fround(Number(value))
      if (Number.isNaN(number)) without.nan++
      else if (!Number.isFinite(number)) without.infinite++
      else {
        if (isPositive === undefined) isTold = false
        ;(threshold !== undefined && number < threshold ? below : above).add(number, isPositive)
      }
    },
    cells(): NumericProfile {
      const ties = [...below.read(), ...above.read()]
      const { edges, points } = placesOf(ties, threshold)
      const cells = countTies(ties, edges, points)
      const { missing, nan, infinite, type } = without
      return {
        name,
        kind: 'numeric',
        edges,
        points,
        counts: [...cells.rows, missing, nan, infinite, type],
        ...(isTold && ties.length > 0 && { positives: [...cells.positives, 0, 0, 0, 0] }),
        ...(threshold !== undefined && { threshold }),
      }
    },
  }
}

function readValue(values: Values, name: string): unknown {
  return Object.hasOwn(values, name) ? values[name] : undefined
}

function placesOf(ties: readonly Tie[], threshold: number | undefined): { edges: number[]; points: number[] } {
  const total = ties.reduce((sum, { rows }) => sum + rows, 0)
  const size = Math.max(leastRows, total / bins)
  const isPoint = ({ least, greatest, rows }: Tie) => rows >= size && least === greatest
  const points = ties.filter(isPoint).map(({ least }) => least)
  const others = ties.filter((tie) => !isPoint(tie))
  const edges = new Set<number>(points)
  // A bin ends at the threshold, however few rows that leaves in it.
  const sides =
    threshold === undefined
      ? [others]
      : [others.filter(({ least }) => least < threshold), others.filter(({ least }) => least >= threshold)]
  // The first bin of a side starts at the least number or at the threshold.
  for (const side of sides) for (const start of binStarts(side, size).slice(1)) edges.add(start)
  if (threshold !== undefined) edges.add(threshold)
  const [first, last] = [ties[0]?.least, ties.at(-1)?.greatest]
  if (first !== undefined && last !== undefined) {
    edges.add(first)
    const end = nextFloat32(last)
    // Between a constant and its neighbour there is nothing; above the largest float32 neither.
    if (Number.isFinite(end) && (first !== last || points.length === 0)) edges.add(end)
  }
  return { edges: [...edges].sort((a, b) => a - b), points }
}

/** What each bin and point holds: no tie lies on both sides of an edge. */
function countTies(ties: readonly Tie[], edges: readonly number[], points: readonly number[]) {
  const rows = new Array<number>(edges.length + 1 + points.length).fill(0)
  const positives = [...rows]
  let [bin, point] = [0, 0]
  for (const tie of ties) {
    while (bin < edges.length && (edges[bin] ?? 0) <= tie.least) bin++
    while (point < points.length && (points[point] ?? 0) < tie.least) point++
    const cell = points[point] === tie.least ? edges.length + 1 + point : bin
    rows[cell] = (rows[cell] ?? 0) + tie.rows
    positives[cell] = (positives[cell] ?? 0) + tie.positives
  }
  return { rows, positives }
}

/** First values of bins of at most `size` rows, but of at least 10; what is left over at the end joins the last bin. */
function binStarts(ties: readonly Tie[], size: number): number[] {
  const starts: number[] = []
  let rows = 0
  let left = ties.reduce((sum, tie) => sum + tie.rows, 0)
  for (const tie of ties) {
    const isFull = rows >= leastRows && rows + tie.rows > size && left >= leastRows
    if (isFull || starts.length === 0) {
      starts.push(tie.least)
      rows = 0
    }
    rows += tie.rows
    left -= tie.rows
  }
  return starts
}

/** The least float32 above a float32. */
function nextFloat32(value: number): number {
  if (value === 0) return 2 ** -149
  const bits = new Int32Array(Float32Array.of(value).buffer)
  bits[0] = (bits[0] ?? 0) + (value > 0 ? 1 : -1)
  return new Float32Array(bits.buffer)[0] ?? value
}
