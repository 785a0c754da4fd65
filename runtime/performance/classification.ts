/** Metrics of a classification, from outcomes counted beside the cells of what was predicted. */
import type { CategoricalProfile, NumericProfile } from '../contract/profile-spec.ts'
import { numberCellsOf } from './cells.ts'
import { deviations, type Estimate, mean, share } from './intervals.ts'

/** Rows of two classes by the cell of the score: that of the second, the positive one. */
export interface ScoreCounts {
  negatives: readonly number[]
  positives: readonly number[]
}

export interface Binary {
  rows: number
  accuracy?: Estimate
  precision?: Estimate
  recall?: Estimate
  /** Chance that a positive has the higher score than a negative, equal cells counted half; DeLong's interval. */
  auc?: Estimate
  /** Nats, with the number that stands for each cell, which is kept 1e-6 from 0 and 1. */
  logLoss?: Estimate
  /** How much the scores of a cell may move the log loss: all at its better end, or all at its worse. */
  logLossCells?: { low: number; high: number }
  /** Mean score minus share of positives. */
  bias?: Estimate
  /** Mean distance of score and share of positives over at most ten groups of cells with as many rows each. */
  calibrationError?: number
  calibration: CalibrationGroup[]
}

export interface CalibrationGroup {
  /** Scores from, included, and to, excluded. */
  low: number
  high: number
  rows: number
  score: number
  positives: Estimate
}

/** The threshold of a score where the profile names none: the higher of two scores that sum to 1. */
const evenThreshold = 0.5
const nearest = 1e-6
const mostGroups = 10

/** @param level - of the intervals, such as 0.95 */
export function binary(profile: NumericProfile, counts: ScoreCounts, level: number): Binary {
  const cells = scoredCells(profile, counts)
  const rows = cells.reduce((sum, { negatives, positives }) => sum + negatives + positives, 0)
  const of = (isPredicted: boolean, side: 'negatives' | 'positives') =>
    cells.reduce((sum, cell) => sum + (cell.isPositive === isPredicted ? cell[side] : 0), 0)
  const [hits, alarms, misses] = [of(true, 'positives'), of(true, 'negatives'), of(false, 'positives')]
  const calibration = groupsOf(cells, rows, level)
  return defined({
    rows,
    accuracy: share(hits + of(false, 'negatives'), rows, level),
    precision: share(hits, hits + alarms, level),
    recall: share(hits, hits + misses, level),
    auc: auc(cells, level),
    logLoss: logLoss(cells, level),
    logLossCells: rows === 0 ? undefined : logLossCells(cells, rows),
    bias: bias(cells, level),
    calibrationError:
      rows === 0
        ? undefined
        : calibration.reduce((sum, group) => sum + group.rows * Math.abs(group.score - group.positives.value), 0) /
          rows,
    calibration,
  })
}

export interface ScoredCell {
  low: number
  high: number
  value: number
  /** Its rows are predicted to be positive. */
  isPositive: boolean
  negatives: number
  positives: number
}

/** From the least score to the greatest. Numbers may be expected ones, which are no integers. */
export function scoredCells(profile: NumericProfile, { negatives, positives }: ScoreCounts): ScoredCell[] {
  const { threshold = evenThreshold } = profile
  return numberCellsOf(profile).map(({ cell, low, high, value }) => ({
    low: Math.max(0, low),
    high: Math.min(1, high),
    value: Math.min(1, Math.max(0, value)),
    isPositive: value >= threshold,
    negatives: negatives[cell] ?? 0,
    positives: positives[cell] ?? 0,
  }))
}

/**
 * DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988, on counts; the interval on the scale of the logit. Where the
 * two do not overlap, the variance is 0 and the interval that of a share of the smaller class. Undefined without both.
 */
export function auc(cells: readonly ScoredCell[], level: number): Estimate | undefined {
  const [n, m] = [total(cells, 'negatives'), total(cells, 'positives')]
  if (n === 0 || m === 0) return undefined
  let [below, above] = [0, m]
  let [wins, squaresOfPositives, squaresOfNegatives] = [0, 0, 0]
  for (const { negatives, positives } of cells) {
    above -= positives
    // Shares of the others that a row of this cell has on its right side.
    const ofPositive = (below + negatives / 2) / n
    const ofNegative = (above + positives / 2) / m
    wins += positives * ofPositive
    squaresOfPositives += positives * ofPositive ** 2
    squaresOfNegatives += negatives * ofNegative ** 2
    below += negatives
  }
  const value = wins / m
  if (value === 0 || value === 1 || n < 2 || m < 2) return share(value * Math.min(n, m), Math.min(n, m), level)
  const variance =
    (squaresOfPositives - m * value ** 2) / (m - 1) / m + (squaresOfNegatives - n * value ** 2) / (n - 1) / n
  const half = (deviations(level) * Math.sqrt(Math.max(0, variance))) / (value * (1 - value))
  const logit = Math.log(value / (1 - value))
  return { value, low: 1 / (1 + Math.exp(half - logit)), high: 1 / (1 + Math.exp(-half - logit)) }
}

export interface Classes {
  rows: number
  accuracy?: Estimate
  /** By class; without those that were neither predicted nor true. */
  classes: { name: string; rows: number; precision?: Estimate; recall?: Estimate }[]
  /** Means over the classes that occurred. */
  macroPrecision?: number
  macroRecall?: number
}

/**
 * Any number of classes.
 *
 * @param confusion - rows by the cell of the class that was true, then by that of the predicted one; cells past the
 * profile's values are classes that it does not know, which are never right
 */
export function classes(
  { values }: CategoricalProfile,
  confusion: readonly (readonly number[])[],
  level: number,
): Classes {
  const at = (actual: number, predicted: number) => confusion[actual]?.[predicted] ?? 0
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)
  const rows = sum(confusion.map((row) => sum(row)))
  const found = values.map((name, own) => {
    const predicted = sum(confusion.map((row) => row[own] ?? 0))
    const actual = sum(confusion[own] ?? [])
    const right = at(own, own)
    return defined({
      name,
      rows: actual,
      precision: share(right, predicted, level),
      recall: share(right, actual, level),
    })
  })
  const met = found.filter(({ precision, recall }) => precision !== undefined || recall !== undefined)
  const macro = (side: 'precision' | 'recall') => {
    const known = met.flatMap((each) => each[side]?.value ?? [])
    return known.length === 0 ? undefined : sum(known) / known.length
  }
  return defined({
    rows,
    accuracy: share(sum(values.map((_, own) => at(own, own))), rows, level),
    classes: met,
    macroPrecision: macro('precision'),
    macroRecall: macro('recall'),
  })
}

function total(cells: readonly ScoredCell[], side: 'negatives' | 'positives'): number {
  return cells.reduce((sum, cell) => sum + cell[side], 0)
}

/** Of one row, by the score that it had. */
export function lossOf(score: number, isPositive: boolean): number {
  const kept = Math.min(1 - nearest, Math.max(nearest, score))
  return -Math.log(isPositive ? kept : 1 - kept)
}

function logLoss(cells: readonly ScoredCell[], level: number): Estimate | undefined {
  return meanOf(cells, level, ({ value }, isPositive) => lossOf(value, isPositive))
}

function logLossCells(cells: readonly ScoredCell[], rows: number): { low: number; high: number } {
  const sum = (lossAt: (cell: ScoredCell, isPositive: boolean) => number) =>
    cells.reduce((sum, cell) => sum + cell.positives * lossAt(cell, true) + cell.negatives * lossAt(cell, false), 0)
  return {
    low: sum(({ low, high }, isPositive) => lossOf(isPositive ? high : low, isPositive)) / rows,
    high: sum(({ low, high }, isPositive) => lossOf(isPositive ? low : high, isPositive)) / rows,
  }
}

function bias(cells: readonly ScoredCell[], level: number): Estimate | undefined {
  return meanOf(cells, level, ({ value }, isPositive) => value - (isPositive ? 1 : 0))
}

function meanOf(
  cells: readonly ScoredCell[],
  level: number,
  of: (cell: ScoredCell, isPositive: boolean) => number,
): Estimate | undefined {
  let [sum, squares, rows] = [0, 0, 0]
  for (const cell of cells) {
    for (const isPositive of [true, false]) {
      const count = isPositive ? cell.positives : cell.negatives
      const each = of(cell, isPositive)
      sum += count * each
      squares += count * each ** 2
      rows += count
    }
  }
  return mean(sum, squares, rows, level)
}

// A cell is never split, so groups may hold more than a tenth.
function groupsOf(cells: readonly ScoredCell[], rows: number, level: number): CalibrationGroup[] {
  const groups: { cells: ScoredCell[]; rows: number }[] = []
  let before = 0
  let last = -1
  for (const cell of cells) {
    const own = cell.negatives + cell.positives
    if (own === 0) continue
    const place = Math.min(mostGroups - 1, Math.floor((mostGroups * (before + own / 2)) / rows))
    if (place !== last) groups.push({ cells: [], rows: 0 })
    last = place
    const group = groups.at(-1)
    group?.cells.push(cell)
    if (group !== undefined) group.rows += own
    before += own
  }
  return groups.flatMap(({ cells, rows }) => {
    const positives = share(total(cells, 'positives'), rows, level)
    if (positives === undefined) return []
    const score = cells.reduce((sum, cell) => sum + cell.value * (cell.negatives + cell.positives), 0) / rows
    const low = Math.min(...cells.map((cell) => cell.low))
    const high = Math.max(...cells.map((cell) => cell.high))
    return [{ low, high, rows, score, positives }]
  })
}

/** Without what is undefined. */
function defined<Found extends object>(found: Found): { [Key in keyof Found]: Exclude<Found[Key], undefined> } {
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as never
}
