/** Alarms: one latches at `drift` and clears by `no_drift`; a change of state is told once, however often it is seen. */
import type { Attribution } from '../../runtime/contract/attribution.ts'
import type { FeatureDrift, Monitor } from '../../runtime/contract/monitor.ts'
import type { NewEvent } from '../store/events.ts'
import type { AlarmState, Looked } from '../store/looks.ts'

export interface Seen extends Looked {
  signal: Monitor['signal']
  version: number
  /** RFC 3339. */
  at: string
  parts: readonly { part: string; verdict: FeatureDrift['verdict'] }[]
  /** Of what is in alarm, where that was asked. */
  causes?: Attribution['causes'] | undefined
}

export interface Followed {
  states: AlarmState[]
  events: NewEvent[]
}

/** The monitor as a whole, which is in alarm while any of its parts is. */
export const whole = ''

/**
 * @param before - states of the same monitor and deployment; those of another version, and of parts that are no longer
 * looked at, end here
 */
export function follow(before: readonly AlarmState[], seen: Seen): Followed {
  const { endpoint, monitor, deployment, version, at } = seen
  const held = new Map(before.filter((each) => each.version === version).map((each) => [each.part, each]))
  const stateOf = (part: string, state: AlarmState['state']): AlarmState => {
    const last = held.get(part)
    return last?.state === state ? last : { endpoint, monitor, deployment, version, part, state, since: at }
  }
  const parts = seen.parts.map(({ part, verdict }) => {
    const isHeld = held.get(part)?.state === 'alarm' && verdict !== 'no_drift'
    return stateOf(part, verdict === 'drift' || isHeld ? 'alarm' : 'calm')
  })
  const alarms = namesOf(parts)
  const states = [stateOf(whole, alarms.length > 0 ? 'alarm' : 'calm'), ...parts]
  const past = namesOf(before)
  const carried = namesOf([...held.values()])
  const event = (change: 'detected' | 'cleared', changed: string[]): NewEvent[] => {
    const causes = change === 'detected' && seen.causes !== undefined && { causes: seen.causes }
    const data = { monitor, deployment, version, changed, alarms, ...causes }
    const about = { endpoint }
    return changed.length === 0 ? [] : [{ type: `${seen.signal}.${change}`, at, about, subject: monitor, data }]
  }
  // What another version was in alarm for is over, even where this one is in alarm for the same.
  const cleared = past.filter((part) => !alarms.includes(part) || !carried.includes(part))
  const detected = alarms.filter((part) => !carried.includes(part))
  return { states, events: [...event('cleared', cleared), ...event('detected', detected)] }
}

/** What is told of states whose version is no longer served: an alarm that nobody looks at any more is over. */
export function end(states: readonly AlarmState[], signal: Monitor['signal'], at: string): NewEvent[] {
  const [first] = states
  const changed = namesOf(states)
  if (first === undefined || changed.length === 0) return []
  const { endpoint, monitor, deployment, version } = first
  const data = { monitor, deployment, version, changed, alarms: [] }
  return [{ type: `${signal}.cleared`, at, about: { endpoint }, subject: monitor, data }]
}

function namesOf(states: readonly AlarmState[]): string[] {
  return states.filter(({ part, state }) => part !== whole && state === 'alarm').map(({ part }) => part)
}
