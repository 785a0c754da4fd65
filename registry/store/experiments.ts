/** Units of experiments: what came of those that were exposed to a deployment while one split was in force. */
import type { UnitSums } from '../../runtime/rollout/effects.ts'
import type { EndpointState } from './endpoint.ts'

export interface SplitSpan extends Pick<EndpointState, 'salt' | 'ranges'> {
  /** Of the plan with which the split came. */
  revision: number
  /** RFC 3339: included, and excluded. */
  from: string
  to: string
}

export interface ArmUnits {
  deployment: string
  /** Of the outcome, 0 where none was told; x is the same from the days before the unit came. */
  sums: UnitSums
  told: number
  /** Of the units, those that never came by an earlier split. */
  newUnits: number
}

export interface Experiments {
  /** Splits of the endpoint that were in force at some time between two moments, the oldest first. */
  splits(endpoint: string, from: string, to: string): Promise<SplitSpan[]>
  /**
   * Units that were assigned by the split and came between two moments, whenever they were told. Each counts once, for the
   * deployment to which it came first.
   */
  arms(endpoint: string, outcome: string, span: Pick<SplitSpan, 'revision' | 'from' | 'to'>): Promise<ArmUnits[]>
}
