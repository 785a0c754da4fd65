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
import { openScores, ownSquares, type Scores } from '../../runtime/drift/scores.ts'
import { openTimeTrack } from '../../runtime/drift/time-blocks.ts'
import { type Block, decide, life } from '../../runtime/drift/verdict.ts'
import type { Counted, SenderCounts } from '../store/store.ts'

export interface FirstWindow {
  /** ms since 1970. */
  from: number
  /** The life of the monitor began before it, and what was counted then is gone. */
  isCut: boolean
}

export interface Observed {
  endpoint: string
  monitor: Monitor
  counted: Counted
  spec: ProfileSpec
  /** Windows in order, from `first` on. */
  rows: readonly SenderCounts[]
  first: FirstWindow
  /** ms since 1970. */
  now: number
}

/** Fewer servers than these a day are no sample of senders: each has a public of its own (evidence, sections 5.5 and 6). */
const leastServers = 30
/** Share of a server's rows that came with a unit, so that the rest does not decide. */
const leastTold = 0.9

/**
 * Others get their turn after each feature, which takes about 25 ms for a week of 50 senders' hours.
 *
 * @throws SelvedgeError `EDGES_DIFFER` where a row was not counted against the spec
 */
export async function driftReport(observed: Observed): Promise<DriftReport> {
  const { endpoint, monitor, counted, spec, rows, now } = observed
  const { features, outputs } = monitored(spec, monitor)
  const clustering = clusteringOf(rows)
  const grid = gridOf(observed, clustering === 'windows' ? monitor.block : monitor.window)
  const rules = rulesOf(monitor, features.length + outputs.length, clustering)
  const placed = rows.map((row) => ({ row, place: Math.floor((Date.parse(row.window) - grid.from) / grid.windowMs) }))
  const report = async (side: Side, all: readonly ProfileFeature[]) => {
    const found: FeatureDrift[] = []
    for (const feature of all) {
      found.push(reportOf(placed, feature, side, grid, rules))
      await othersTurn()
    }
    return found
  }
  const found = { features: await report('counts', features), outputs: await report('outputs', outputs) }
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
    rows: rows.reduce((sum, row) => sum + row.rows, 0),
    senders: new Set(rows.map(({ sender }) => sender)).size,
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

type Side = 'counts' | 'outputs'

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
  rows: readonly Placed[],
  feature: ProfileFeature,
  side: Side,
  grid: Grid,
  rules: Rules,
): FeatureDrift {
  const { from, isCut, windowMs, seasonWindows } = grid
  const cellsOf = ({ row }: Placed) => row[side][feature.name] ?? []
  const scores = openScores(feature)
  const track = trackOf(rows, side, feature.name, scores, grid.windows, rules.clustering)
  const { block, measures, clusters } = decide(track, { ...rules, seasonWindows, isCut })
  const timeAt = (place: number) => new Date(from + place * windowMs).toISOString()
  const facts: Facts = {
    profile: feature,
    block: { from: timeAt(block.from), to: timeAt(block.to), rule: block.rule },
    counts: cellsIn(rows, cellsOf, feature, block),
    clusters,
    spread: measures,
  }
  return reportFeature(facts, rules)
}

interface Placed {
  row: SenderCounts
  place: number
}

type CellsOf = (placed: Placed) => readonly number[]

function trackOf(
  rows: readonly Placed[],
  side: Side,
  name: string,
  scores: Scores,
  windows: number,
  clustering: Rules['clustering'],
): Track {
  const track = clustering === 'windows' ? openTimeTrack(scores) : openTrack(scores)
  const clusters = openClusters(scores.size)
  const hosts = unitHosts(rows)
  let day = ''
  let next = 0
  for (let place = 0; place < windows; place++) {
    for (let placed = rows[next]; placed !== undefined && placed.place <= place; placed = rows[++next]) {
      const { sender, window, units, [side]: counted } = placed.row
      const own = window.slice(0, 10)
      if (own !== day) clusters.close()
      day = own
      const cells = counted[name] ?? []
      const counts = scores.merge(cells)
      if (units === undefined) clusters.add(sender, counts)
      else {
        clusters.addPaired({
          clusters: units.clusters,
          counts,
          own: ownSquares(scores, cells, counts),
          pairs: units[side][name] ?? [],
          hosts: hosts.get(day) ?? 1,
        })
      }
    }
    track.push(clusters.sums())
  }
  return track
}

function cellsIn(rows: readonly Placed[], cellsOf: CellsOf, { counts }: ProfileFeature, { from, to }: Block): number[] {
  const total = new Array<number>(counts.length).fill(0)
  for (const placed of rows) {
    if (placed.place < from || placed.place >= to) continue
    const cells = cellsOf(placed)
    for (let i = 0; i < cells.length; i++) total[i] = (total[i] ?? 0) + (cells[i] ?? 0)
  }
  return total
}

/**
 * What is known of rows that may be alike. Servers that told nearly all of their units have many clusters each; a few that
 * did not have time alone.
 */
function clusteringOf(rows: readonly SenderCounts[]): Rules['clustering'] {
  const servers = new Map<string, { day: string; rows: number; told: number }>()
  for (const { window, sender, device, rows: own, units } of rows) {
    if (device !== 'server' && device !== 'edge') continue
    const day = window.slice(0, 10)
    const held = servers.get(`${day} ${sender}`) ?? { day, rows: 0, told: 0 }
    servers.set(`${day} ${sender}`, { day, rows: held.rows + own, told: held.told + (units?.rows ?? 0) })
  }
  const silent = new Map<string, number>()
  for (const { day, rows, told } of servers.values()) {
    if (told < leastTold * rows) silent.set(day, (silent.get(day) ?? 0) + 1)
  }
  if (silent.size > 0 && Math.max(...silent.values()) < leastServers) return 'windows'
  return rows.some(({ units }) => units !== undefined) ? 'units' : 'senders'
}

/** How many hosts told units, by day. */
function unitHosts(rows: readonly Placed[]): ReadonlyMap<string, number> {
  const days = new Map<string, Set<string>>()
  for (const { row } of rows) {
    if (row.units === undefined) continue
    const day = row.window.slice(0, 10)
    days.set(day, (days.get(day) ?? new Set()).add(row.sender))
  }
  return new Map(Array.from(days, ([day, senders]) => [day, senders.size]))
}

function floorTo(ms: number, step: number): number {
  return ms - (ms % step)
}
