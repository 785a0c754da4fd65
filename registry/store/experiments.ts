/** Units of experiments: by which splits they were dealt, and what became of them. */
import type { EndpointState } from './endpoint.ts'

export interface SplitSpan extends Pick<EndpointState, 'salt' | 'ranges'> {
  /** Of the plan with which the split came. */
  revision: number
  /** RFC 3339: included, and excluded. */
  from: string
  to: string
}

export interface ExperimentUnit {
  unit: string
  /** Oldest first. */
  exposures: { at: string; deployment: string; revision: number }[]
  /** Of the outcomes that were asked for, oldest first. */
  outcomes: { at: string; name: string; value: number | boolean }[]
}

export interface UnitPage {
  /** Names of values in outcomes. */
  outcomes: readonly string[]
  /** Exposures and outcomes before this moment, RFC 3339. */
  to: string
  /** Where the page before ended. */
  after: string
  limit: number
}

export interface Experiments {
  /** Splits of the endpoint that came before the moment, the oldest first; the last one ends with it. */
  splits(endpoint: string, to: string): Promise<SplitSpan[]>
  /** Names of the truth values and numbers in the latest outcomes: the fifty that most units told, those first. */
  outcomes(endpoint: string): Promise<string[]>
  /** Units with an exposure that are not busy, in the order of their hashes, which is a random one. */
  units(endpoint: string, page: UnitPage): Promise<ExperimentUnit[]>
}
