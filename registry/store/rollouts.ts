/** Rollouts as the store keeps them: rows that outlive a crash, and the splits to which traffic can go back. */
import type { RolloutAdvice, RolloutBody, RolloutEntry, RolloutState } from '../../runtime/contract/rollout.ts'
import type { PinnedCounts } from '../../runtime/contract/telemetry.ts'
import type { EndpointState, Split } from './endpoint.ts'
import type { NewEvent } from './events.ts'

export interface RolloutRecord extends RolloutBody {
  id: string
  endpoint: string
  state: RolloutState
  /** Place in `steps`. */
  step: number
  /** RFC 3339. */
  stepStartedAt: string
  /** Of the plan with which the step began. */
  revision: number
  createdAt: string
  before: Split
  advice: RolloutAdvice
  /** Rises with each change: what a writer has seen, it must not overwrite. */
  changes: number
}

export interface NewRollout {
  body: RolloutBody
  advice: RolloutAdvice
  split: Split
  /** What may not change while it is under way. */
  holds: string[]
  entry: Omit<RolloutEntry, 'revision'>
}

/** What a rule makes of a rollout, all in one transaction. */
export interface RolloutChange {
  state: RolloutState
  /** Another one begins now. */
  step?: number | undefined
  split?: Split | undefined
  entry: Omit<RolloutEntry, 'revision'>
  event?: NewEvent | undefined
}

/** A split that was in force, oldest id first. */
export interface PastSplit extends Split {
  id: number
  at: string
  /** Whose step it was. */
  rollout?: string | undefined
  /** Id of the one that it brought back. */
  restores?: number | undefined
}

/** Cells of one (sender, window, deployment, version, variant, provider), those of pinned requests among them. */
export interface CountedRow {
  window: string
  sender: string
  deployment: string
  version: number
  provider: string
  device: string
  variant: string
  spec: string
  rows: number
  outputs: Record<string, number[]>
  latency: number[]
  errors: Record<string, number>
  pinned?: PinnedCounts
}

export interface Since {
  /** RFC 3339: of windows that begin, and of units that came, at this moment or later. */
  since: string
  /** By this revision of the plan or a later one. */
  revision: number
}

export interface CountedPage extends Since {
  after?: CountedRow | undefined
  limit: number
}

export interface OutcomePage {
  /** Of values, of which numbers and truth values are told. */
  names: readonly string[]
  /** RFC 3339. */
  since: string
  after?: OutcomePlace | undefined
  /** Of units' minutes, whatever they told of. */
  limit: number
}

/** Of a minute of a unit. */
export interface OutcomePlace {
  at: string
  unit: string
}

export interface ToldOutcome {
  unit: string
  at: string
  name: string
  value: number | boolean
}

export interface Rollouts {
  /**
   * Begins a rollout with its first split.
   *
   * @param rule - may refuse
   * @throws SelvedgeError `ENDPOINT_UNKNOWN`
   */
  start(endpoint: string, now: number, rule: (state: EndpointState) => NewRollout): Promise<RolloutRecord>
  /**
   * Changes the rollout and its endpoint together; undefined, and nothing is done, where someone else changed it since
   * `changes` was read.
   */
  change(
    id: string,
    changes: number,
    now: number,
    rule: (rollout: RolloutRecord, state: EndpointState) => RolloutChange,
  ): Promise<RolloutRecord | undefined>
  /**
   * Brings a split back; a rollout under way ends with it.
   *
   * @param rule - is told the splits of the last times, newest first
   */
  back(
    endpoint: string,
    now: number,
    rule: (
      state: EndpointState,
      past: readonly PastSplit[],
      underWay: RolloutRecord | undefined,
    ) => { split: Split; restores?: number | undefined; change?: RolloutChange | undefined },
  ): Promise<EndpointState>
  rollout(endpoint: string, id: string): Promise<RolloutRecord | undefined>
  /** The newest first. */
  rollouts(endpoint: string, page: { before?: number | undefined; limit: number }): Promise<RolloutRecord[]>
  /** Those that run or are paused, of all endpoints. */
  underWay(): Promise<RolloutRecord[]>
  /** Oldest first. */
  history(id: string): Promise<RolloutEntry[]>
  /** What hosts counted, in order of window and sender. */
  counted(endpoint: string, page: CountedPage): Promise<CountedRow[]>
  /** Different units by the deployment that they were exposed to. */
  exposed(endpoint: string, since: Since): Promise<Record<string, number>>
  /** The first of them, each with when it came first, and to which deployment. */
  units(endpoint: string, since: Since): Promise<{ unit: string; deployment: string; at: string }[]>
  /** Of those, units that were never exposed by an earlier revision, each for the deployment to which it came first. */
  newUnits(endpoint: string, since: Since): Promise<Record<string, number>>
  /** What was told of units since the moment, the oldest first; `next` is where there may be more. */
  outcomes(endpoint: string, page: OutcomePage): Promise<{ told: ToldOutcome[]; next?: OutcomePlace }>
}
