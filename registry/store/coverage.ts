/** Who counted when: what a reader of a report wants to know of the rows behind it. */
import type { Counted, Source, Tier } from './days.ts'

export interface CountedWindow {
  /** RFC 3339: a minute. */
  window: string
  rows: number
  /** Different ones. */
  senders: number
}

export interface CountedSource extends Source {
  tier: Tier
  rows: number
  /** Different ones. */
  senders: number
}

export interface CoverageSpan {
  /** RFC 3339: windows that begin from here, included, to there, excluded. */
  from: string
  to: string
}

/** As far as reports are kept. */
export interface Coverage {
  /** Those that have rows, in order. */
  windows(endpoint: string, counted: Counted, span: CoverageSpan): Promise<CountedWindow[]>
  /** The one with most rows first. */
  sources(endpoint: string, counted: Counted, span: CoverageSpan): Promise<CountedSource[]>
}
