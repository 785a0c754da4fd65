/**
 * A UTC day of reports as exact sums: no more is needed of whose rows they were once the day is over (evidence, section 1).
 * Integers, so that a day is the same whatever order its reports came in, and sums of days are those of all their reports.
 */
import type { ProfileFeature } from '../../runtime/contract/profile-spec.ts'
import { type Clusters, difference, type ExactSums, openClusters } from '../../runtime/drift/clusters.ts'
import { openScores, ownSquares, type Scores } from '../../runtime/drift/scores.ts'
import type { DayFacts, SenderCounts, SenderDay, Side, Span } from '../store/days.ts'

/** A row that counts, in the span that starts at `at`, in ms since 1970. */
export interface Placed {
  at: number
  row: SenderCounts
}

export interface FeatureCounter {
  /** Rows of one day in the order of their windows. */
  add(placed: Placed): void
  /** Those that have rows, in order. */
  spans(): readonly Span[]
  /** What goes on from here by itself, while this one is left as it is. */
  fork(): FeatureCounter
}

/** Share of a server's rows that came with a unit, so that the rest does not decide. */
const leastTold = 0.9
/** With fewer pages a day, one is more than a hundredth of them. */
const leastPages = 100
/** How many times the median page's rows of a day another's count, at most; at least half of that. */
const mostMedians = 4

export function dayFacts(senders: readonly SenderDay[]): DayFacts {
  const pages = senders.filter(({ tier }) => tier === 'page').map(({ rows }) => rows)
  const servers = senders.filter(({ device }) => device === 'server' || device === 'edge')
  const pageRows = pages.length < leastPages ? undefined : mostMedians * powerBelow(median(pages))
  const untrusted = pages.reduce((sum, rows) => sum + Math.min(rows, pageRows ?? rows), 0)
  return {
    senders: senders.length,
    silentServers: servers.filter(({ rows, told }) => told < leastTold * rows).length,
    unitHosts: senders.filter(({ told }) => told > 0).length,
    ...(untrusted > 0 && { untrusted }),
    ...(pageRows !== undefined && { pageRows }),
  }
}

/** What each sender of a day counted in it. */
export function senderDays(rows: Iterable<SenderCounts>): SenderDay[] {
  const days = new Map<string, SenderDay>()
  for (const { sender, tier, device, rows: own, units } of rows) {
    const held = days.get(sender) ?? { tier, device, rows: 0, told: 0 }
    days.set(sender, { ...held, rows: held.rows + own, told: held.told + (units?.rows ?? 0) })
  }
  return [...days.values()]
}

export interface Placing {
  /** Undefined for rows of a page that has counted enough. */
  place(row: SenderCounts): Placed | undefined
  fork(): Placing
}

/** Rows of a day by spans. */
export function openPlacing(facts: DayFacts, spanMs: number): Placing {
  return placingFrom(facts, spanMs, new Map())
}

function placingFrom(facts: DayFacts, spanMs: number, used: Map<string, number>): Placing {
  const limit = openLimit(facts, used)
  return {
    place(row) {
      const ms = Date.parse(row.window)
      const limited = limit(row)
      return limited && { at: ms - (ms % spanMs), row: limited }
    },
    fork: () => placingFrom(facts, spanMs, new Map(used)),
  }
}

export function openFeatureCounter(side: Side, feature: ProfileFeature, { unitHosts }: DayFacts): FeatureCounter {
  const scores = openScores(feature)
  const clusters = openClusters(scores.size)
  return counterFrom({
    side,
    feature,
    unitHosts,
    scores,
    clusters,
    spans: [],
    before: clusters.exact(),
    now: undefined,
  })
}

interface State {
  side: Side
  feature: ProfileFeature
  unitHosts: number
  scores: Scores
  clusters: Clusters
  spans: readonly Span[]
  /** Sums as the last span ended. */
  before: ExactSums
  now: { at: number; cells: number[] } | undefined
}

function counterFrom({ side, feature, unitHosts, scores, clusters, ...state }: State): FeatureCounter {
  const { name } = feature
  const spans = [...state.spans]
  let { before, now } = state

  function begin(at: number): { at: number; cells: number[] } {
    if (now?.at === at) return now
    end()
    now = { at, cells: new Array<number>(feature.counts.length).fill(0) }
    return now
  }

  function end(): void {
    if (now === undefined) return
    const after = clusters.exact()
    const { clusters: added, squares } = difference(after, before)
    spans.push({ ...now, clusters: added, squares })
    before = after
    now = undefined
  }

  return {
    add({ at, row: { sender, units, [side]: counted } }) {
      const span = begin(at)
      const cells = counted[name] ?? []
      const counts = scores.merge(cells)
      for (let i = 0; i < cells.length; i++) span.cells[i] = (span.cells[i] ?? 0) + (cells[i] ?? 0)
      if (units === undefined) clusters.add(sender, counts)
      else {
        const own = ownSquares(scores, cells, counts)
        clusters.addPaired({ clusters: units.clusters, counts, own, pairs: units[side][name] ?? [], hosts: unitHosts })
      }
    },
    spans() {
      end()
      return spans
    },
    fork() {
      const ongoing = now && { ...now, cells: [...now.cells] }
      return counterFrom({ side, feature, unitHosts, scores, clusters: clusters.fork(), spans, before, now: ongoing })
    },
  }
}

/** One span of several that follow each other. */
export function sumOf(spans: readonly Span[]): Span | undefined {
  const [first] = spans
  if (first === undefined) return undefined
  const cells = first.cells.map((_, i) => spans.reduce((sum, span) => sum + (span.cells[i] ?? 0), 0))
  const squares = first.squares.map((_, i) => {
    const sum = spans.reduce((sum, span) => sum + BigInt(span.squares[i] ?? 0), 0n)
    return sum <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(sum) : sum
  })
  return { at: first.at, cells, clusters: spans.reduce((sum, span) => sum + span.clusters, 0), squares }
}

/** One page that sends without end would hide what all others say; its first rows of the day count, as many as may. */
function openLimit({ pageRows }: DayFacts, used: Map<string, number>): (row: SenderCounts) => SenderCounts | undefined {
  return (row) => {
    if (pageRows === undefined || row.tier !== 'page') return row
    const before = used.get(row.sender) ?? 0
    used.set(row.sender, before + row.rows)
    const left = pageRows - before
    if (row.rows <= left) return row
    return left <= 0 ? undefined : scaled(row, left)
  }
}

function scaled(row: SenderCounts, rows: number): SenderCounts {
  const scale = (cells: Readonly<Record<string, number[]>>) =>
    Object.fromEntries(
      Object.entries(cells).map(([name, counts]) => [
        name,
        counts.map((count) => Math.floor((count * rows) / row.rows)),
      ]),
    )
  return { ...row, rows, counts: scale(row.counts), outputs: scale(row.outputs) }
}

// The median moves with every report, and with it all that was counted of the day.
function powerBelow(value: number): number {
  return value < 1 ? 1 : 2 ** Math.floor(Math.log2(value))
}

/** The lower of two in the middle. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}
