/** Exposures and outcomes that wait to be reported: bounded, the oldest dropped first and counted. */
import type { Plan } from '../contract/plan.ts'
import { type CellPrediction, type OutcomeValues, outcomeValues } from '../contract/telemetry.ts'
import { SelvedgeError } from '../errors.ts'

/** `unit` is the caller's own name for it here; only its HMAC leaves the host (`reporter.ts`). */
export type UnitEvent = Exposure | { kind: 'outcome'; unit: string; at: string; values: OutcomeValues }

export interface Exposure {
  kind: 'exposure'
  unit: string
  at: string
  deployment: string
  /** By which the unit was assigned, whatever plan is held when it is told. */
  assigned: Assigned
  /** Set once the answer was counted, which may be after it was given. */
  prediction?: CellPrediction
}

export type Assigned = Pick<Plan, 'revision' | 'salt'>

export interface Units {
  readonly dropped: number
  /** Once a unit, deployment, revision of the plan and UTC day; undefined where it was before. */
  exposed(unit: string, deployment: string, by: Assigned): Exposure | undefined
  /** @throws {@link SelvedgeError} as {@link checkOutcome} */
  outcome(unit: string, values: OutcomeValues): void
  /** The oldest events, at most `limit`; they stay until {@link forget}. */
  oldest(limit: number): UnitEvent[]
  forget(events: readonly UnitEvent[]): void
}

const keptEvents = 10_000

export function openUnits(now: () => number = Date.now): Units {
  let events: UnitEvent[] = []
  let exposedToday = new Set<string>()
  let today = ''
  let dropped = 0

  function add(event: UnitEvent): void {
    events.push(event)
    if (events.length <= keptEvents) return
    events.shift()
    dropped++
  }

  return {
    get dropped() {
      return dropped
    },
    exposed(unit, deployment, { revision, salt }) {
      const at = new Date(now()).toISOString()
      if (at.slice(0, 10) !== today || exposedToday.size >= keptEvents) {
        today = at.slice(0, 10)
        exposedToday = new Set()
      }
      const key = `${deployment} ${revision} ${unit}`
      if (exposedToday.has(key)) return undefined
      exposedToday.add(key)
      const exposure: Exposure = { kind: 'exposure', unit, at, deployment, assigned: { revision, salt } }
      add(exposure)
      return exposure
    },
    outcome(unit, values) {
      add({ kind: 'outcome', unit, at: new Date(now()).toISOString(), values: checkOutcome(values) })
    },
    oldest: (limit) => events.slice(0, limit),
    forget(sent) {
      const gone = new Set(sent)
      events = events.filter((event) => !gone.has(event))
    },
  }
}

/**
 * What does not fit a report: the registry would refuse all of it, its counts too.
 *
 * @throws {@link SelvedgeError} `INVALID_REQUEST` for a value that is no boolean, text of at most 256 characters or number
 * from -10¹² to 10¹², and for a name that is empty or longer than 128 characters
 */
export function checkOutcome(values: unknown): OutcomeValues {
  const parsed = outcomeValues.safeParse(values)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new SelvedgeError('INVALID_REQUEST', `"${issue?.path.join('.')}" of an outcome: ${issue?.message}`)
}
