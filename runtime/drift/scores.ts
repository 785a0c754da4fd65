/** What is asked of a feature's counts: merged bins, and directions whose means show how far rows moved (evidence, section 1). */
import type { CategoricalProfile, NumericProfile, ProfileFeature } from '../contract/profile-spec.ts'
import { SelvedgeError } from '../errors.ts'
import { triangle } from './clusters.ts'
import { normalQuantile } from './normal.ts'
import { numberCells, spansOf } from './order.ts'

/** A score for each place of a merged vector, with mean 0 and variance 1 over the baseline's rows. */
export interface Direction {
  /** `location`, `scale`, `bin 3`, `female`, `rare`, `missing`, `invalid`, `outside`. */
  name: string
  /** Weight of its evidence; those of a feature sum to 1. */
  weight: number
  scores: readonly number[]
  /** Rows that have a score: those with a value, or all. */
  over: 'values' | 'rows'
  /** Under 5 % of the baseline: too few rows to see that there are fewer. */
  upwardsOnly: boolean
  /** Standard deviation of the row's share, where a limit is a share of rows. */
  deviation?: number
}

export interface Scores {
  name: string
  kind: ProfileFeature['kind']
  /** Length of a merged vector: bins or levels, then rows that are missing, invalid and outside of the baseline's range. */
  size: number
  /** How many of its places are bins or levels. */
  bins: number
  /** Names of its places. */
  places: readonly string[]
  /** The baseline, merged. */
  baseline: readonly number[]
  directions: readonly Direction[]
  /** Place of each cell. */
  placeOf: readonly number[]
  /** Cells whose rows are in the last place, too. */
  outside: readonly number[]
  /** Adds up a report's cells to a merged vector. */
  merge(cells: readonly number[]): number[]
}

const mostBins = 10
/** Least share of a bin or level that is a direction by itself. */
const leastShare = 0.05
/** Rows that a rare share is taken to have more than the baseline saw of it. */
const rareRows = 3
/** Weight of the three directions of rows without an ordinary value, together. */
const extrasWeight = 0.03
const extraNames = ['missing', 'invalid', 'outside'] as const
const numericWeights = { location: 0.7, scale: 0.15, bins: 0.15 }

/**
 * @param signal - `quality` asks for rows without an ordinary value alone
 * @param past - the baseline, where it is not the profile's own: its cells
 * @throws {@link SelvedgeError} `EDGES_DIFFER` by `merge`, for cells of another spec
 */
export function openScores(
  feature: ProfileFeature,
  signal: 'drift' | 'quality' = 'drift',
  past: readonly number[] = feature.counts,
): Scores {
  const { places, names } = feature.kind === 'numeric' ? numericPlaces(feature) : categoricalPlaces(feature)
  const bins = names.length
  const size = bins + 3
  const outside = outsideCells(feature)
  // Every row of every report goes through it.
  const packed = Uint8Array.from(places)
  const merge = (cells: readonly number[]) => {
    if (cells.length !== places.length) {
      throw new SelvedgeError('EDGES_DIFFER', `"${feature.name}": got ${cells.length} cells, want ${places.length}`)
    }
    const merged = new Array<number>(size).fill(0)
    for (let cell = 0; cell < cells.length; cell++) {
      const count = cells[cell] ?? 0
      if (count === 0) continue
      const place = packed[cell] ?? 0
      merged[place] = (merged[place] ?? 0) + count
    }
    merged[bins + 2] = 0
    for (const cell of outside) merged[bins + 2] = (merged[bins + 2] ?? 0) + (cells[cell] ?? 0)
    return merged
  }
  const baseline = merge(past)
  const counts = baseline.slice(0, bins)
  const values = signal === 'quality' ? [] : valueDirections(feature, counts, names)
  const extras = extraDirections(baseline, bins)
  const share = values.length === 0 ? 0 : 1 - extrasWeight
  const directions = [
    ...values.map((each) => padded({ ...each, weight: each.weight * share }, size)),
    ...extras.map((each) => ({ ...each, weight: (1 - share) / extras.length })),
  ]
  const named = [...names, ...extraNames]
  return {
    name: feature.name,
    kind: feature.kind,
    size,
    bins,
    places: named,
    baseline,
    directions,
    placeOf: places,
    outside,
    merge,
  }
}

/** Rows of a merged vector by which a direction's mean is taken. */
export function rowsOver(over: Direction['over'], merged: ArrayLike<number>, bins: number): number {
  let rows = 0
  const end = over === 'values' ? bins : bins + 2
  for (let i = 0; i < end; i++) rows += merged[i] ?? 0
  return rows
}

/** Σ x·xᵀ over rows, x a row's merged vector: the lower triangle, row by row. */
export function ownSquares(
  { size, outside, placeOf }: Scores,
  cells: readonly number[],
  merged: readonly number[],
): number[] {
  const squares = new Array<number>(triangle(size)).fill(0)
  for (let i = 0; i < size; i++) squares[triangle(i + 1) - 1] = merged[i] ?? 0
  const last = triangle(size - 1)
  for (const cell of outside) {
    const at = last + (placeOf[cell] ?? 0)
    squares[at] = (squares[at] ?? 0) + (cells[cell] ?? 0)
  }
  return squares
}

interface Places {
  /** Place in the merged vector, by cell. */
  places: number[]
  /** Of the bins or levels. */
  names: string[]
}

// The decile in which a cell's middle rank lies; bins in which the baseline has no row join the one before.
function numericPlaces(feature: NumericProfile): Places {
  const ordered = spansOf(feature).flatMap(({ bin, points }) => [
    ...(bin === undefined ? [] : [bin]),
    ...points.map(({ cell }) => cell),
  ])
  const countOf = (cell: number) => feature.counts[cell] ?? 0
  const total = Math.max(1, sum(ordered.map(countOf)))
  const places: number[] = []
  let [below, decile, bins, filled] = [0, -1, 0, false]
  for (const cell of ordered) {
    const rows = countOf(cell)
    const own = Math.min(mostBins - 1, Math.floor((mostBins * (below + rows / 2)) / total))
    if (rows > 0 && own !== decile && filled) bins++
    if (rows > 0) [decile, filled] = [own, true]
    places[cell] = bins
    below += rows
  }
  bins++
  const numbers = numberCells(feature)
  for (const [i, place] of [bins, bins, bins + 1, bins + 1].entries()) places[numbers + i] = place
  return { places, names: Array.from({ length: bins }, (_, i) => `bin ${i + 1}`) }
}

// Levels under 5 % share the last place, so that a vector stays short however large the vocabulary is.
function categoricalPlaces({ values, counts }: CategoricalProfile): Places {
  const levels = [...values, 'other']
  const total = sum(levels.map((_, cell) => counts[cell] ?? 0))
  const names: string[] = []
  const places = levels.map((level, cell) => {
    const rows = counts[cell] ?? 0
    return rows > 0 && rows >= leastShare * total ? names.push(level) - 1 : -1
  })
  const rare = places.includes(-1) ? names.push('rare') - 1 : -1
  return { places: [...places.map((place) => (place < 0 ? rare : place)), names.length, names.length + 1], names }
}

// Of a constant, whatever is not the constant is outside; of categories, what the vocabulary does not hold.
function outsideCells(feature: ProfileFeature): number[] {
  if (feature.kind === 'categorical') return [feature.values.length]
  return feature.edges.length === 0 ? [0] : [0, feature.edges.length]
}

type Part = Omit<Direction, 'over'>

function valueDirections({ kind }: ProfileFeature, counts: readonly number[], names: readonly string[]): Part[] {
  return kind === 'numeric' ? numericDirections(counts, names) : shareDirections(counts, names)
}

function numericDirections(counts: readonly number[], names: readonly string[]): Part[] {
  const total = sum(counts)
  let below = 0
  const ranks = counts.map((rows) => {
    const rank = (below + rows / 2) / Math.max(1, total)
    below += rows
    return normalQuantile(rank)
  })
  const location = standardised(counts, ranks)
  const scale =
    location &&
    standardised(
      counts,
      location.map((score) => score * score),
    )
  if (location === undefined) return []
  const bins = shareDirections(counts, names)
  return [
    {
      name: 'location',
      weight: numericWeights.location + (scale ? 0 : numericWeights.scale),
      scores: location,
      upwardsOnly: false,
    },
    ...(scale ? [{ name: 'scale', weight: numericWeights.scale, scores: scale, upwardsOnly: false }] : []),
    ...bins.map((bin) => ({ ...bin, weight: bin.weight * numericWeights.bins })),
  ]
}

/** Each bin or level against the rest, equally weighted; those under 5 % pooled. */
function shareDirections(counts: readonly number[], names: readonly string[]): Part[] {
  const total = sum(counts)
  if (total === 0) return []
  const isRare = counts.map((rows) => rows < leastShare * total)
  const parts = counts.flatMap((_, own) =>
    isRare[own] ? [] : [shareDirection(names[own] ?? '', counts, (i) => i === own)],
  )
  if (isRare.includes(true)) parts.push(shareDirection('rare', counts, (i) => isRare[i] ?? false))
  // One level is everything, and says nothing.
  const telling = parts.filter((part) => part !== undefined)
  return telling.map((part) => ({ ...part, weight: 1 / telling.length }))
}

function shareDirection(name: string, counts: readonly number[], isIn: (place: number) => boolean): Part | undefined {
  const total = sum(counts)
  const rows = sum(counts.filter((_, i) => isIn(i)))
  if (rows === total) return undefined
  const upwardsOnly = rows < leastShare * total
  const share = upwardsOnly ? rareShare(rows, total) : rows / total
  const deviation = Math.sqrt(share * (1 - share))
  return {
    name,
    weight: 1,
    scores: counts.map((_, i) => ((isIn(i) ? 1 : 0) - share) / deviation),
    upwardsOnly,
    ...(rows === 0 && { deviation }),
  }
}

// What the baseline hardly had may be common enough that its noise is no normal one: of rows that come five to a baseline,
// one baseline in 150 holds none, and all rows after it would be drift.
function rareShare(rows: number, total: number): number {
  return (rows + rareRows) / (total + 2 * rareRows)
}

function extraDirections(baseline: readonly number[], bins: number): Direction[] {
  const rows = rowsOver('rows', baseline, bins)
  return extraNames.map((name, i) => {
    const place = bins + i
    const count = baseline[place] ?? 0
    const upwardsOnly = rows === 0 || count < leastShare * rows
    const share = upwardsOnly ? rareShare(count, rows) : (count + 0.5) / (rows + 1)
    const deviation = Math.sqrt(share * (1 - share))
    // Rows outside are counted in their bins, too: their place adds what their bin did not.
    const scores = baseline.map((_, at) => {
      if (name === 'outside') return at === place ? 1 / deviation : at < bins + 2 ? -share / deviation : 0
      return at === place ? (1 - share) / deviation : at < bins + 2 ? -share / deviation : 0
    })
    return { name, weight: 1, scores, over: 'rows', upwardsOnly, deviation }
  })
}

function padded(part: Part, size: number): Direction {
  const scores = Array.from({ length: size }, (_, i) => part.scores[i] ?? 0)
  return { ...part, scores, over: 'values' }
}

/** Undefined where all rows have one score. */
function standardised(counts: readonly number[], scores: readonly number[]): number[] | undefined {
  const total = sum(counts)
  const mean = sum(scores.map((score, i) => score * (counts[i] ?? 0))) / total
  const variance = sum(scores.map((score, i) => (score - mean) ** 2 * (counts[i] ?? 0))) / total
  // Rounding alone leaves about 1e-32.
  if (!(variance > 1e-20)) return undefined
  return scores.map((score) => (score - mean) / Math.sqrt(variance))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
