/** The verdict on one feature: `drift`, `no_drift` or `insufficient`, with the numbers it stands on (evidence, sections 1 and 7). */
import { leastClusters, logEvidence, radius, type Track as SumTrack, type Told, varianceOfRadius } from './evidence.ts'

export interface Settings {
  /** Chance of a false alarm over a monitor's whole life. */
  alpha: number
  /** How many features and outputs share it. */
  features: number
  limits: Limits
  /** What the clusters are: (sender, day), (unit, day), or spans of windows where the senders are a few servers. */
  clustering: 'senders' | 'units' | 'windows'
  /** Windows in a season; blocks are whole seasons. */
  seasonWindows: number
  /** What was counted first is gone: a start that moves with the clock is no start, and every block is a late one. */
  isCut: boolean
}

export interface Limits {
  /** Standard deviations. */
  location: number
  /** Share of rows. */
  missing: number
}

export type Outcome = 'drift' | 'no_drift' | 'insufficient'

/** What a verdict lacks. */
export interface Lack {
  what: 'rows' | 'senders' | 'units' | 'unrelated windows' | 'baseline rows'
  /** How many more, or for baseline rows how many in all. */
  count: number
}

export interface Verdict {
  verdict: Outcome
  /** Windows of the block that it stands on: from, included, to, excluded. */
  block: Block
  logEvidence: number
  measures: readonly Told[]
  clusters: number
  /** Of an `insufficient`. */
  lack?: Lack
}

export interface Block {
  from: number
  to: number
  /** `start`: all rows of the monitor's life. `late`: the last windows, whose evidence has to be a thousandfold. */
  rule: 'start' | 'late'
}

/** What a verdict asks of rows, window by window. */
export type Track = Pick<SumTrack, 'length' | 'measure' | 'clusters'>

/** Windows of a monitor's life; then it begins anew. */
export const life = 1000

/**
 * Replays every look, so that the answer is the same whenever it is asked. An alarm holds until a block that began after
 * it says `no_drift`; the monitor then begins a new life.
 */
export function decide(track: Track, settings: Settings): Verdict {
  let start = 0
  let alarm: Verdict | undefined
  for (let to = 1; to <= track.length; to++) {
    if (alarm === undefined) {
      if (to - start > life) start = to - 1
      alarm = findAlarm(track, settings, start, to)
      continue
    }
    const calm = findNoDrift(track, settings, alarm.block.to, to)
    if (calm === undefined) continue
    if (to === track.length) return calm
    alarm = undefined
    start = to
  }
  if (alarm !== undefined) return alarm
  const to = track.length
  return findNoDrift(track, settings, start, to) ?? insufficient(track, settings, start, to)
}

/** A block in numbers: a report holds as much. */
export interface Measured {
  measures: readonly Told[]
  clusters: number
  rule: Block['rule']
}

type Judging = Pick<Settings, 'alpha' | 'features' | 'limits' | 'clustering'>

/**
 * The verdict on one block by its numbers alone.
 *
 * For `drift` the mean itself is held against the limit, not the lower end of its bracket: with 1,000 rows of baseline
 * the bracket is wider than 0.1 however many rows come, and a shift of 0.3 could never pass a limit of 0.2. That the
 * mean is not 0 is what the alarm says.
 */
export function judge(measured: Measured, settings: Judging): Omit<Verdict, 'block' | 'lack'> {
  const { measures, clusters, rule } = measured
  const found = { measures, clusters, logEvidence: logEvidence(measures) }
  if (isDrift(measures, settings, rule)) return { verdict: 'drift', ...found }
  const isWithin = measures.every(
    (told) => Math.abs(told.mean) + radiusOf(told, settings) < limitOf(told.direction, settings.limits),
  )
  if (isWithin && rule === 'late') return { verdict: 'no_drift', ...found }
  return { verdict: 'insufficient', ...found }
}

// Few blocks pass a limit, and evidence is what costs.
function isDrift(measures: readonly Told[], settings: Judging, rule: Block['rule']): boolean {
  const isPast = measures.some((told) => Math.abs(told.mean) > limitOf(told.direction, settings.limits))
  return isPast && logEvidence(measures) >= logThreshold(settings, rule)
}

/** ln E at which a block is an alarm. */
export function logThreshold({ alpha, features }: Pick<Settings, 'alpha' | 'features'>, rule: Block['rule']): number {
  return Math.log(features / alpha) + (rule === 'late' ? Math.log(life) : 0)
}

/** A direction's limit in standard deviations. */
export function limitOf({ deviation }: { deviation?: number }, limits: Limits): number {
  return deviation === undefined ? limits.location : limits.missing / deviation
}

/** Half the width of the bracket around a direction's mean. */
export function radiusOf(told: Told, { alpha, features }: Pick<Settings, 'alpha' | 'features'>): number {
  if (told.rows === 0 || told.baselineRows === 0) return Number.POSITIVE_INFINITY
  const v = told.variance / told.rows ** 2 + 1 / told.baselineRows
  return radius(v, (alpha * told.direction.weight) / features)
}

function findAlarm(track: Track, settings: Settings, start: number, to: number): Verdict | undefined {
  for (const block of blocks(settings, start, to)) {
    if (!isDrift(track.measure(block.from, block.to, start), settings, block.rule)) continue
    return { ...judge(measureBlock(track, block, start), settings), block }
  }
  return undefined
}

// The shortest of the last blocks that can tell; what was before would hide what is now.
function findNoDrift(track: Track, settings: Settings, start: number, to: number): Verdict | undefined {
  for (const block of blocks(settings, start, to)) {
    if (block.rule === 'start') continue
    const found = judge(measureBlock(track, block, start), settings)
    if (found.verdict === 'no_drift') return { ...found, block }
  }
  return undefined
}

/** Blocks of whole seasons that end at a look: all since the start, then the last 1, 2, 3, 4, 6, 8, 12 … of them. */
export function* blocks(
  settings: Pick<Settings, 'seasonWindows' | 'isCut'>,
  start: number,
  to: number,
): Generator<Block> {
  const { seasonWindows } = settings
  const most = Math.floor((to - start) / seasonWindows)
  if (most < 1) return
  yield { from: to - most * seasonWindows, to, rule: ruleOfAll(settings, start) }
  for (let power = 1; power <= most; power *= 2) {
    yield { from: to - power * seasonWindows, to, rule: 'late' }
    const half = 1.5 * power
    if (power > 1 && half <= most) yield { from: to - half * seasonWindows, to, rule: 'late' }
  }
}

function insufficient(track: Track, settings: Settings, start: number, to: number): Verdict {
  const seasons = Math.floor(Math.max(0, to - start) / settings.seasonWindows)
  const block: Block = { from: to - seasons * settings.seasonWindows, to, rule: ruleOfAll(settings, start) }
  const measured = measureBlock(track, block, start)
  const found = judge(measured, settings)
  return { ...found, block, ...(found.verdict === 'insufficient' && { lack: findLack(measured, settings) }) }
}

function ruleOfAll({ isCut }: Pick<Settings, 'isCut'>, start: number): Block['rule'] {
  return isCut && start === 0 ? 'late' : 'start'
}

function measureBlock(track: Track, { from, to, rule }: Block, start: number): Measured {
  return { measures: track.measure(from, to, start), clusters: track.clusters(from, to, start), rule }
}

/** What a block lacks whose verdict is `insufficient`. */
export function findLack({ measures, clusters }: Measured, settings: Judging): Lack {
  const heaviest = Math.max(...measures.map(({ direction }) => direction.weight))
  const needed = leastClusters(logThreshold(settings, 'start') - Math.log(heaviest))
  const what = settings.clustering === 'windows' ? 'unrelated windows' : settings.clustering
  if (clusters < needed) return { what, count: needed - clusters }
  const lacks = measures.map((measure) => lackOf(measure, settings))
  const worst = (of: Lack['what']) => lacks.filter((lack) => lack.what === of).toSorted((a, b) => b.count - a.count)[0]
  return worst('baseline rows') ?? worst('rows') ?? { what: 'rows', count: 1 }
}

function lackOf(measure: Told, { alpha, features, limits }: Judging): Lack {
  const { direction, rows, baselineRows, variance, designEffect } = measure
  const limit = limitOf(direction, limits)
  const own = 1 / Math.max(1, baselineRows)
  // Two standard errors are taken off, or the noise of the first few rows would ask for a larger baseline.
  const noise = Math.sqrt(variance / Math.max(1, rows) ** 2 + own)
  const size = Math.max(0, Math.abs(measure.mean) - 2 * noise)
  // Below the limit it is the bracket that has to fit; above it, the mean that has to be told from 0.
  const room = size < limit ? limit - size : size
  const v = varianceOfRadius(room, (alpha * direction.weight) / features)
  if (own >= v) return { what: 'baseline rows', count: Math.ceil(1 / v) }
  const wanted = Math.ceil(Math.max(designEffect, variance / Math.max(1, rows)) / (v - own))
  return { what: 'rows', count: Math.max(1, wanted - rows) }
}
