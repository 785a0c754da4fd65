/** UTC days that ended, as sums that need no sender any more. */
import type { PairCounts } from '../../runtime/contract/telemetry.ts'
import type { ExactSums } from '../../runtime/drift/clusters.ts'
import type { Changes } from './changes.ts'

/** Whose rows a monitor looks at. */
export interface Counted {
  deployment: string
  version: number
  /** Digest. */
  spec: string
}

/** Rows of one execution provider, variant and device class apart. */
export interface Source {
  variant: string
  provider: string
  device: string
}

/** All of a day's sources in one. */
export const together: Source = { variant: '', provider: '', device: '' }

/** Whose word it is: reports by a `page` token are anyone's, those by other tokens of a host that its operator knows. */
export type Tier = 'trusted' | 'page'

export interface SenderCounts extends Source {
  window: string
  sender: string
  tier: Tier
  rows: number
  counts: Record<string, number[]>
  outputs: Record<string, number[]>
  /** Of a host that scores for many units. */
  units?: PairCounts | undefined
}

/** What one sender counted in a day. */
export interface SenderDay {
  tier: Tier
  device: string
  rows: number
  /** Rows that came with a unit. */
  told: number
}

/** What is known of a day's senders, without any of them. */
export interface DayFacts {
  /** Different ones. */
  senders: number
  /** Servers that told the units of too few of their rows. */
  silentServers: number
  /** Those that told units, which share them. */
  unitHosts: number
  /** Rows that are anyone's word; absent where there are none. */
  untrusted?: number
  /** Most rows of one page that count; absent where there are few pages. */
  pageRows?: number
}

export type Side = 'counts' | 'outputs'

/** What was counted of a feature in a span of a day. Clusters are those of the whole day. */
export interface Span extends Pick<ExactSums, 'clusters' | 'squares'> {
  /** Start, in ms since 1970. */
  at: number
  /** As the profile has them. */
  cells: readonly number[]
}

export interface FoldedFeature extends Source {
  side: Side
  feature: string
  /** Hour by hour, and their sum. */
  hours: readonly Span[]
  whole: Span
}

export interface FoldedDay extends Counted {
  facts: DayFacts
  /** Those that have rows. */
  sources: readonly Source[]
  /** Rows by the start of their hour, in ms since 1970. */
  rows: { at: number; rows: number }[]
  /** All {@link together}, and each by itself where there are several. */
  features: FoldedFeature[]
}

/** A day whose sums do not hold all of its reports yet. */
export interface OpenDay {
  endpoint: string
  /** 2026-11-24. */
  day: string
  changes: number
}

export interface KnownDay {
  day: string
  facts: DayFacts
  /** Those that have rows; of a day that was folded when they were not kept none is left where it had one. */
  sources: readonly Source[]
  rows: readonly { at: number; rows: number }[]
}

export interface Days {
  /** Those before a day, of all endpoints. */
  open(before: string): Promise<OpenDay[]>
  /** Of one endpoint, from one day to another, both included. */
  openOf(endpoint: string, from: string, to: string): Promise<string[]>
  /** What has rows on a day, and rows of which sources. */
  counted(endpoint: string, day: string): Promise<(Counted & { sources: Source[] })[]>
  /** Replaces what was folded of the day; it is open still where reports came meanwhile. */
  put(day: OpenDay, folded: readonly FoldedDay[]): Promise<void>
  /** Days that are folded whole, in order; both ends included. */
  known(endpoint: string, counted: Counted, from: string, to: string): Promise<KnownDay[]>
  /** Spans of those days, in order. Those of `hours` are gone with their age; an absent source is all together. */
  spans(
    endpoint: string,
    counted: Counted,
    asked: { side: Side; feature: string; source?: Source | undefined; by: 'hours' | 'whole'; days: readonly string[] },
  ): Promise<Span[]>
  /** See {@link Changes}; of this process. */
  changes: Changes['since']
  /** Since when all that was counted is known; undefined where nothing was ever dropped. */
  knownSince(endpoint: string): Promise<string | undefined>
  /** Leaves only the whole of days before the day. */
  dropHours(before: string): Promise<void>
}
