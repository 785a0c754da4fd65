/** Baseline: the cells of a ProfileSpec, taken from the rows on which a version was trained or accepted (design, section 10). */
import type { Feature, OutputMeaning } from './contract/description.ts'
import type { NumericProfile, ProfileFeature, ProfileSpec } from './contract/profile-spec.ts'
import { cellCount, openProfile } from './profile.ts'

/** Quantiles of the baseline that become edges. */
const bins = 64
/** Fewer rows in a bin than this tell nothing. */
const leastRows = 10
/** Values that a categorical profile can have; models with more classes get a profile of their scores alone. */
const mostValues = 10_000

type Values = Readonly<Record<string, unknown>>

/**
 * Bin edges, points and vocabularies, with what the baseline itself counts in them.
 *
 * A number's bins hold about 1/64 of the baseline's numbers each, and at least 10 where there are that many. A value
 * with that much mass by itself is a point. The first edge is the least number and the last one the next float32 above
 * the greatest, so the outer cells are empty in the baseline. A score has its threshold among the edges.
 *
 * @param input.rows - one a record: what `recordValues` gives
 * @param input.outputs - one an answer: what `outputValues` gives
 * @returns the same for the same rows in any order
 */
export function buildProfileSpec(input: {
  features: readonly Feature[]
  output?: OutputMeaning | undefined
  rows: Iterable<Values>
  outputs: Iterable<Values>
}): ProfileSpec {
  const rows = [...input.rows]
  const outputs = [...input.outputs]
  const empty: ProfileSpec = {
    features: input.features.flatMap((feature) => featureCells(feature, rows)),
    outputs: input.output === undefined ? [] : outputCells(input.output, outputs),
  }
  const profile = openProfile(empty)
  for (const row of rows) profile.countRow(row)
  for (const output of outputs) profile.countOutput(output)
  const counted = profile.counts()
  return {
    features: empty.features.map((feature) => ({ ...feature, counts: counted.counts[feature.name] ?? [] })),
    outputs: empty.outputs.map((output) => ({ ...output, counts: counted.outputs[output.name] ?? [] })),
  }
}

function featureCells(feature: Feature, rows: readonly Values[]): ProfileFeature[] {
  const { name } = feature
  if (feature.kind === 'numeric') return [numericCells(name, numbersOf(name, rows))]
  if (feature.kind === 'categorical') return [categoricalCells(name, feature.values)]
  return (['mean', 'std', 'zeros'] as const).map((statistic) => {
    const reduced = `${name}.${statistic}`
    return { ...numericCells(reduced, numbersOf(reduced, rows)), reduction: { feature: name, statistic } }
  })
}

function outputCells(output: OutputMeaning, outputs: readonly Values[]): ProfileFeature[] {
  if (output.kind === 'regression') return [numericCells('value', numbersOf('value', outputs))]
  const score = numericCells('score', numbersOf('score', outputs), output.threshold)
  return output.classes.length > mostValues ? [score] : [categoricalCells('class', output.classes), score]
}

function categoricalCells(name: string, values: readonly string[]): ProfileFeature {
  return withZeros({ name, kind: 'categorical', values: [...values], counts: [] })
}

function numericCells(name: string, sorted: Float64Array, threshold?: number): NumericProfile {
  const least = Math.max(leastRows, sorted.length / bins)
  const ties = tiesOf(sorted)
  const points = ties.filter((tie) => tie.rows >= least).map((tie) => tie.value)
  const others = ties.filter((tie) => tie.rows < least)
  // A bin ends at the threshold, however few rows that leaves in it.
  const sides =
    threshold === undefined
      ? [others]
      : [others.filter((tie) => tie.value < threshold), others.filter((tie) => tie.value >= threshold)]
  // The first bin of a side starts at the least number or at the threshold.
  const edges = new Set(sides.flatMap((side) => binStarts(side, least).slice(1)))
  if (threshold !== undefined) edges.add(threshold)
  const [first, last] = [sorted[0], sorted.at(-1)]
  if (first !== undefined && last !== undefined) {
    edges.add(first)
    const end = nextFloat32(last)
    // Between a constant and its neighbour there is nothing; above the largest float32 neither.
    if (Number.isFinite(end) && (first !== last || points.length === 0)) edges.add(end)
  }
  return withZeros({
    name,
    kind: 'numeric',
    edges: [...edges].sort((a, b) => a - b),
    points,
    counts: [],
    ...(threshold !== undefined && { threshold }),
  })
}

/** Finite numbers of one name as a profile counts them: float32, rising. */
function numbersOf(name: string, rows: readonly Values[]): Float64Array {
  const numbers = rows.map((row) => {
    const value = Object.hasOwn(row, name) ? row[name] : undefined
    // Adding 0 makes 0 of -0, which would be an edge of its own.
    return typeof value === 'number' || typeof value === 'bigint' ? Math.fround(Number(value)) + 0 : Number.NaN
  })
  return Float64Array.from(numbers.filter(Number.isFinite)).sort()
}

interface Tie {
  value: number
  rows: number
}

function tiesOf(sorted: Float64Array): Tie[] {
  const ties: Tie[] = []
  for (const value of sorted) {
    const last = ties.at(-1)
    if (last?.value === value) last.rows++
    else ties.push({ value, rows: 1 })
  }
  return ties
}

/** First values of bins that hold at least `least` rows each; what is left over at the end joins the last bin. */
function binStarts(ties: readonly Tie[], least: number): number[] {
  const starts: number[] = []
  let rows = least
  let left = ties.reduce((sum, tie) => sum + tie.rows, 0)
  for (const tie of ties) {
    if (rows >= least && (left >= least || starts.length === 0)) {
      starts.push(tie.value)
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

function withZeros<Cells extends ProfileFeature>(feature: Cells): Cells {
  return { ...feature, counts: new Array<number>(cellCount(feature)).fill(0) }
}
