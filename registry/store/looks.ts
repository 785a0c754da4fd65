/** Looks of monitors as the store keeps them: what was seen at the end of each window, and the alarms that follow. */
import type { NewEvent } from './events.ts'

/** What a monitor looks at. */
export interface Looked {
  endpoint: string
  monitor: string
  deployment: string
}

export interface Look extends Looked {
  version: number
  /** RFC 3339: end of the last window that it knows. */
  at: string
  verdict: string
  /** Small JSON that is kept longer than the report, for a line over time. */
  summary: unknown
  /** JSON. */
  report: unknown
}

export type PastLook = Omit<Look, 'report'>

/** Of a part of a monitor: a feature, an output, a metric; '' is the monitor as a whole. */
export interface AlarmState extends Looked {
  version: number
  part: string
  state: 'alarm' | 'calm'
  /** Since when it is so. */
  since: string
}

export interface Looks {
  /**
   * Writes a look down together with what follows from it, unless one of that moment or a later one was: false then.
   * The states that the rule gives replace all of this monitor and deployment.
   */
  record(
    look: Look,
    rule: (before: readonly AlarmState[]) => { states: AlarmState[]; events: NewEvent[] },
  ): Promise<boolean>
  /** States of a version that a deployment no longer serves end, with the events that follow. */
  end(looked: Looked & { version: number }, rule: (before: readonly AlarmState[]) => NewEvent[]): Promise<void>
  /** The last one, or the last that was not after a moment. */
  last(looked: Looked, at?: string): Promise<PastLook | undefined>
  /** The newest first. */
  looks(looked: Looked, page: { before?: string | undefined; limit: number }): Promise<PastLook[]>
  /** Undefined where there was no look at that moment, or its report is gone for its age. */
  report(looked: Looked, at: string): Promise<unknown>
  /** Of all monitors of an endpoint, in order of monitor, deployment and part. */
  states(endpoint: string): Promise<AlarmState[]>
}
