/** What changes a rollout: pure rules from its row and its endpoint to the next split, or a refusal that changes nothing. */
import { moveRanges } from '../../runtime/assignment/assignment.ts'
import {
  isUnderWay,
  type RolloutAdvice,
  type RolloutBody,
  type RolloutEntry,
  type RolloutEvidence,
} from '../../runtime/contract/rollout.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { labelOf } from '../../runtime/rollout/decide.ts'
import { demandFree, findDeployment, sharesOf } from '../endpoints/rules.ts'
import { type Split, splitOf, splitText } from '../store/endpoint.ts'
import type { NewEvent } from '../store/events.ts'
import type { NewRollout, PastSplit, RolloutChange, RolloutRecord } from '../store/rollouts.ts'
import type { EndpointState } from '../store/store.ts'

/** Who did it and why; nobody where the rollout did it itself. */
export interface Cause {
  /** ms since 1970. */
  now: number
  by?: string | undefined
  why?: string | undefined
}

const mostSteps = 20

/** @throws {@link SelvedgeError} `TRAFFIC_INVALID` */
export function checkSteps(steps: readonly number[]): void {
  if (steps.length > mostSteps) throw invalidSteps(`got ${steps.length} of them, want at most ${mostSteps}`)
  for (const [i, percent] of steps.entries()) {
    const ppm = Math.round(percent * 10_000)
    // As in a split: a decimal with at most 4 places.
    if (!(percent > 0 && percent <= 100 && ppm > 0 && ppm / 10_000 === percent)) {
      throw invalidSteps(`got ${percent} percent, want more than 0, at most 100, with at most 4 decimals`)
    }
    if (i > 0 && percent <= (steps[i - 1] ?? 0)) throw invalidSteps(`${percent} does not come after ${steps[i - 1]}`)
  }
  if (steps[0] === 100) throw invalidSteps('the first is all traffic, with which nothing can be compared')
}

/**
 * @throws {@link SelvedgeError} `DEPLOYMENT_UNKNOWN`, `IN_USE` while another rollout is under way, `TRAFFIC_INVALID` where
 * nothing else serves or the deployment has as much already
 */
export function startRollout(
  state: EndpointState,
  body: RolloutBody,
  advice: RolloutAdvice,
  { now, by, why }: Cause,
): NewRollout {
  findDeployment(state, body.deployment)
  demandFree(state)
  const shares = sharesOf(state)
  const own = shares.get(body.deployment) ?? 0
  const [first = 0] = body.steps
  if (shares.size === 0 || own === 1_000_000) {
    throw invalidSteps(`${state.name} has no traffic on another deployment than ${body.deployment}`)
  }
  // Those whom a namespace leaves out are like the others; those whom a condition leaves out are not.
  const others = state.audience?.where?.length ? state.audience.otherwise : undefined
  if (others !== undefined && (others === body.deployment || shares.has(others)) && body.guards.length > 0) {
    throw invalidSteps(
      `who is outside of the audience of ${state.name} has ${others}, too, and would be compared: give them another one`,
    )
  }
  if (first * 10_000 <= own) {
    throw invalidSteps(`${body.deployment} gets ${own / 10_000} percent already, and the first step is ${first}`)
  }
  // Nobody was ever assigned by this salt.
  const fresh = `${state.salt.replace(/\.\d{13,}$/, '')}.${Math.max(state.revision + 1, now)}`
  const salt = body.reshuffle ? fresh : state.salt
  return {
    body,
    advice,
    split: stepSplit({ ...state, salt }, state, body.deployment, first),
    holds: [...new Set([body.deployment, ...shares.keys()])].sort(),
    entry: entryOf('started', first, { now, by, why }),
  }
}

/** The next step, or the end of the last. */
export function advance(
  rollout: RolloutRecord,
  state: EndpointState,
  evidence: RolloutEvidence,
  now: number,
): RolloutChange {
  const { steps, step, deployment, before } = rollout
  const next = steps[step + 1]
  const isOver = next === undefined || next === 100
  const percent = next ?? steps[step] ?? 0
  return {
    state: isOver ? 'completed' : rollout.state,
    ...(next !== undefined && { step: step + 1, split: stepSplit(state, before, deployment, percent) }),
    entry: entryOf(isOver ? 'completed' : 'advanced', percent, { now }, evidence),
    event: eventOf(isOver ? 'rollout.completed' : 'rollout.advanced', rollout, percent, now, {
      evidence: brief(evidence),
    }),
  }
}

/** Back to the split from before it, unit by unit. */
export function revert(
  rollout: RolloutRecord,
  evidence: RolloutEvidence,
  reasons: readonly string[],
  now: number,
): RolloutChange {
  const percent = shareOf(rollout)
  const why = `broken: ${reasons.join(', ')}`
  return {
    state: 'reverted',
    split: rollout.before,
    entry: entryOf('reverted', percent, { now, why }, evidence),
    event: eventOf('rollout.reverted', rollout, percent, now, { reasons, evidence: brief(evidence) }),
  }
}

/** @throws {@link SelvedgeError} `PRECONDITION_FAILED` for one that is over */
export function setState(
  rollout: RolloutRecord,
  wanted: 'running' | 'paused' | 'aborted',
  cause: Cause,
): RolloutChange {
  demandUnderWay(rollout, wanted)
  if (wanted === 'aborted') return abort(rollout, cause)
  const entry = entryOf(wanted === 'paused' ? 'paused' : 'resumed', rollout.steps[rollout.step] ?? 0, cause)
  return { state: wanted, entry }
}

/**
 * The split before the one in force, with the scheme, salt and audience that it had. Steps of one rollout count as one; what was brought back is where one stands, so that
 * going back again goes further back.
 *
 * @param past - newest first
 * @throws {@link SelvedgeError} `PRECONDITION_FAILED` where there is none, `IN_USE` where it names a deployment that is gone
 */
export function goBack(
  state: EndpointState,
  past: readonly PastSplit[],
  underWay: RolloutRecord | undefined,
  cause: Cause,
): { split: Split; restores?: number | undefined; change?: RolloutChange | undefined } {
  if (underWay !== undefined) return { split: underWay.before, change: abort(underWay, cause) }
  const current = standingAt(past)
  const found = past.find(
    (each) =>
      current !== undefined &&
      each.id < current.id &&
      each.ranges.length > 0 &&
      (current.rollout === undefined || each.rollout !== current.rollout) &&
      splitText(each) !== splitText(state),
  )
  if (found === undefined) {
    throw new SelvedgeError('PRECONDITION_FAILED', `endpoint ${state.name} has no split from before this one`)
  }
  const { ranges, shadow, audience } = found
  const named = [...ranges.map(([name]) => name), shadow?.deployment, audience?.otherwise].filter(
    (name) => name !== undefined,
  )
  const gone = named.find((name) => !state.deployments.some((each) => each.name === name))
  if (gone === undefined) return { split: splitOf(found), restores: found.id }
  throw new SelvedgeError(
    'PRECONDITION_FAILED',
    `the split before names deployment ${gone}, which is no longer there`,
    {
      deployment: gone,
    },
  )
}

function abort(rollout: RolloutRecord, cause: Cause): RolloutChange {
  const percent = shareOf(rollout)
  const reasons = ['aborted']
  return {
    state: 'aborted',
    split: rollout.before,
    entry: entryOf('aborted', percent, cause),
    event: eventOf('rollout.reverted', rollout, percent, cause.now, { reasons }),
  }
}

/** The deployment with its share; the others share the rest as they did before. */
function stepSplit(now: Split, before: Split, deployment: string, percent: number): Split {
  const own = Math.round(percent * 10_000)
  const others = [...sharesOf(before)].filter(([name]) => name !== deployment)
  const all = others.reduce((sum, [, ppm]) => sum + ppm, 0)
  const split = new Map([[deployment, own]])
  let [left, of] = [1_000_000 - own, all]
  for (const [name, ppm] of others.sort(([a], [b]) => (a < b ? -1 : 1))) {
    const share = Math.round((left * ppm) / of)
    split.set(name, share)
    left -= share
    of -= ppm
  }
  return { ...splitOf(now), ranges: moveRanges(now.ranges, split) }
}

function standingAt(past: readonly PastSplit[]): PastSplit | undefined {
  let [current] = past
  while (current?.restores !== undefined) {
    const { restores } = current
    current = past.find(({ id }) => id === restores)
  }
  return current
}

/** What the deployment had before, in percent. */
function shareOf({ before, deployment }: RolloutRecord): number {
  return (sharesOf(before).get(deployment) ?? 0) / 10_000
}

function demandUnderWay(rollout: RolloutRecord, wanted: string): void {
  if (isUnderWay(rollout)) return
  const { id, state } = rollout
  throw new SelvedgeError('PRECONDITION_FAILED', `rollout ${id} is ${state} and cannot be ${wanted}`, { state })
}

function entryOf(
  action: RolloutEntry['action'],
  percent: number,
  { now, by, why }: Cause,
  evidence?: RolloutEvidence,
): Omit<RolloutEntry, 'revision'> {
  return {
    at: new Date(now).toISOString(),
    action,
    percent,
    ...(by !== undefined && { by }),
    ...(why !== undefined && { why }),
    ...(evidence && { evidence }),
  }
}

function eventOf(
  type: NewEvent['type'],
  { id, endpoint, deployment }: RolloutRecord,
  percent: number,
  now: number,
  data: Record<string, unknown>,
): NewEvent {
  const at = new Date(now).toISOString()
  return { type, at, about: { endpoint }, subject: id, data: { rollout: id, deployment, percent, ...data } }
}

/** The numbers of it; the whole is in the rollout's history. */
function brief({ units, guards }: RolloutEvidence) {
  return {
    units,
    guards: guards.map(({ guard, verdict, comparisons, ratio }) => ({
      guard: labelOf(guard),
      verdict,
      ...(comparisons[0] && {
        difference: comparisons[0].difference,
        low: comparisons[0].low,
        high: comparisons[0].high,
        margin: comparisons[0].margin,
      }),
      ...(ratio && { units: ratio.units, logEvidence: ratio.logEvidence }),
    })),
  }
}

function invalidSteps(why: string): SelvedgeError {
  return new SelvedgeError('TRAFFIC_INVALID', `steps of the rollout: ${why}`)
}
