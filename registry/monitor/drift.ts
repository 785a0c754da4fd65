/** From what senders counted to a drift report: windows on the clock, one track a feature, and the verdict on each. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import {
  type DriftReport,
  durationMs,
  type FeatureDrift,
  type Monitor,
  seasonMs,
} from '../../runtime/contract/monitor.ts'
import type { ProfileFeature, ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { openClusters } from '../../runtime/drift/clusters.ts'
import { openTrack, type Track } from '../../runtime/drift/evidence.ts'
import { type Facts, type Rules, reportFeature, rulesOf, verdictOfAll } from '../../runtime/drift/report.ts'
import { openScores, type Scores } from '../../runtime/drift/scores.ts'
import { openTimeTrack } from '../../runtime/drift/time-blocks.ts'
import { type Block, decide, life } from '../../runtime/drift/verdict.ts'
import type { Counted, DayFacts, Side, Span } from '../store/days.ts'

export interface FirstWindow {
  /** ms since 1970. */
  from: number
  /** The life of the monitor began before it, and what was counted then is gone. */
  isCut: boolean
}

/** Cells of a past span by name, as a baseline. */
export interface PastCounts {
  features: Readonly<Record<string, readonly number[]>>
  outputs: Readonly<Record<string, readonly number[]>>
}

export interface Observed {
  endpoint: string
  monitor: Monitor
  counted: Counted
  spec: ProfileSpec
  /** The baseline, where it is not the spec's own. */
  past?: PastCounts | undefined
  days: readonly ObservedDays[]
  first: FirstWindow
  /** ms since 1970. */
  now: number
}

/** One day or several: what is known of their senders, and what they counted. */
export interface ObservedDays {
  facts: readonly DayFacts[]
  /** @param windowMs - windows that a span may not cross */
  count(windowMs: number): Promise<DayCounts>
}

export interface DayCounts {
  /** By the start of a span, in ms since 1970. */
  rows: readonly { at: number; rows: number }[]
  /** Of one feature, in order. */
  spans(side: Side, feature: string): Promise<readonly Span[]>
}

/** Fewer servers than these a day are no sample of senders: each has a public of its own (evidence, sections 5.5 and 6). */
const leastServers = 30

/**
 * Others get their turn after each feature, which takes about 25 ms for a week of 50 senders' hours.
 *
 * @throws SelvedgeError `EDGES_DIFFER` where a row was not counted against the spec
 */
export async function driftReport(observed: Observed): Promise<DriftReport> {
  const { endpoint, monitor, counted, spec, now } = observed
  const { features, outputs } = monitored(spec, monitor)
  const facts = observed.days.flatMap((days) => days.facts)
  const clustering = clusteringOf(facts)
  const grid = gridOf(observed, clustering === 'windows' ? monitor.block : monitor.window)
  const rules = rulesOf(monitor, features.length + outputs.length, clustering)
  const days = await Promise.all(observed.days.map((days) => days.count(grid.windowMs)))
  const report = async (side: Side, all: readonly ProfileFeature[]) => {
    const found: FeatureDrift[] = []
    for (const feature of all) {
      const spans = await Promise.all(days.map((each) => each.spans(side, feature.name)))
      const past = observed.past?.[side === 'counts' ? 'features' : 'outputs'][feature.name]
      found.push(reportOf(spans.flat(), { profile: feature, baseline: past }, grid, rules))
      await othersTurn()
    }
    return found
  }
  const found = { features: await report('counts', features), outputs: await report('outputs', outputs) }
  const counts = days.flatMap(({ rows }) => rows)
  const rows = counts.reduce((sum, { at, rows }) => sum + (at < grid.from ? 0 : rows), 0)
  // Facts are of whole days, of which the first may have begun before.
  const untrusted = Math.min(
    rows,
    facts.reduce((sum, day) => sum + (day.untrusted ?? 0), 0),
  )
  return {
    endpoint,
    monitor,
    deployment: counted.deployment,
    version: counted.version,
    spec: counted.spec,
    at: new Date(now).toISOString(),
    from: new Date(grid.from).toISOString(),
    clustering,
    windows: grid.windows,
    rows,
    ...(untrusted > 0 && { untrusted }),
    senders: facts.reduce((sum, { senders }) => sum + senders, 0),
    verdict: verdictOfAll([...found.features, ...found.outputs]),
    ...found,
  }
}

/**
 * Start of the first window that a report needs: the monitor's life before this one begins there, unless the deployment
 * began later or the counts are gone.
 */
export function firstWindow(monitor: Monitor, deployedAt: number, keptSince: number, now: number): FirstWindow {
  const windowMs = durationMs(monitor.window)
  const start = floorTo(deployedAt, windowMs)
  const lives = Math.floor((now - start) / (life * windowMs))
  const wanted = start + Math.max(0, lives - 1) * life * windowMs
  if (wanted >= keptSince) return { from: wanted, isCut: false }
  return { from: floorTo(keptSince, windowMs) + windowMs, isCut: true }
}

/** What a monitor looks at of a spec. */
export function monitored(spec: ProfileSpec, { features }: Pick<Monitor, 'features'>): ProfileSpec {
  const wanted = features && new Set(features)
  // An image has a feature for each of its reductions.
  const isWanted = (feature: ProfileFeature) =>
    wanted === undefined ||
    wanted.has(feature.name) ||
    (feature.kind === 'numeric' && feature.reduction !== undefined && wanted.has(feature.reduction.feature))
  return { features: spec.features.filter(isWanted), outputs: spec.outputs }
}

/** Windows on the clock. */
interface Grid extends FirstWindow {
  windowMs: number
  windows: number
  seasonWindows: number
}

// A season is of whole windows: the one that runs now would be a shorter day than the others.
function gridOf({ monitor: { season }, first, now }: Observed, window: string): Grid {
  const windowMs = durationMs(window)
  const from = floorTo(first.from, windowMs)
  const passed = (now - from) / windowMs
  const windows = Math.max(0, season === 'none' ? Math.ceil(passed) : Math.floor(passed))
  return { from, isCut: first.isCut, windowMs, windows, seasonWindows: Math.max(1, seasonMs[season] / windowMs) }
}

function reportOf(
  spans: readonly Span[],
  { profile, baseline }: Pick<Facts, 'profile' | 'baseline'>,
  grid: Grid,
  rules: Rules,
): FeatureDrift {
  const { from, isCut, windowMs, seasonWindows } = grid
  const placed = spans
    .map((span) => ({ span, place: Math.floor((span.at - from) / windowMs) }))
    .filter(({ place }) => place >= 0)
    .toSorted((a, b) => a.place - b.place)
  const track = trackOf(placed, openScores(profile, rules.signal, baseline), grid.windows, rules.clustering)
  const { block, measures, clusters } = decide(track, { ...rules, seasonWindows, isCut })
  const timeAt = (place: number) => new Date(from + place * windowMs).toISOString()
  const facts: Facts = {
    profile,
    baseline,
    block: { from: timeAt(block.from), to: timeAt(block.to), rule: block.rule },
    counts: cellsIn(placed, profile, block),
    clusters,
    spread: measures,
  }
  return reportFeature(facts, rules)
}

interface PlacedSpan {
  span: Span
  /** Window of the grid. */
  place: number
}

function trackOf(
  placed: readonly PlacedSpan[],
  scores: Scores,
  windows: number,
  clustering: Rules['clustering'],
): Track {
  const track = clustering === 'windows' ? openTimeTrack(scores) : openTrack(scores)
  const clusters = openClusters(scores.size)
  let sums = clusters.sums()
  let next = 0
  for (let place = 0; place < windows; place++) {
    const before = next
    for (let each = placed[next]; each !== undefined && each.place <= place; each = placed[++next]) {
      clusters.addSums({ ...each.span, counts: scores.merge(each.span.cells) })
    }
    if (next > before) sums = clusters.sums()
    track.push(sums)
  }
  return track
}

function cellsIn(placed: readonly PlacedSpan[], { counts }: ProfileFeature, { from, to }: Block): number[] {
  const total = new Array<number>(counts.length).fill(0)
  for (const { span, place } of placed) {
    if (place < from || place >= to) continue
    for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (span.cells[i] ?? 0)
  }
  return total
}

/**
 * What is known of rows that may be alike. Servers that told nearly all of their units have many clusters each; a few that
 * did not have time alone.
 */
export function clusteringOf(days: readonly DayFacts[]): Rules['clustering'] {
  const silent = days.reduce((most, { silentServers }) => Math.max(most, silentServers), 0)
  if (silent > 0 && silent < leastServers) return 'windows'
  return days.some(({ unitHosts }) => unitHosts > 0) ? 'units' : 'senders'
}

function floorTo(ms: number, step: number): number {
  return ms - (ms % step)
}
