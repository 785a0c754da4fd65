/** What a rollout does next: a pure function of its plan, of the evidence since its step began, and of the time. */
import { holdMs, type Rollout, type RolloutEvidence } from '../contract/rollout.ts'

export interface Decision {
  /** `complete` moves to all traffic where that is the next step. */
  action: 'hold' | 'advance' | 'complete' | 'revert'
  /** Of a `hold`, what it waits for; of a `revert`, which guards were broken; else empty. */
  reasons: string[]
}

type Planned = Pick<Rollout, 'steps' | 'step' | 'hold' | 'minUnits' | 'stepStartedAt'>

/** @param now - ms since 1970 */
export function decide(rollout: Planned, evidence: Pick<RolloutEvidence, 'units' | 'guards'>, now: number): Decision {
  const broken = evidence.guards.filter(({ verdict }) => verdict === 'worse')
  if (broken.length > 0) return { action: 'revert', reasons: broken.map(({ guard }) => labelOf(guard)) }
  const waits = waitsOf(rollout, evidence, now)
  if (waits.length > 0) return { action: 'hold', reasons: waits }
  const next = rollout.steps[rollout.step + 1]
  return { action: next === undefined || next === 100 ? 'complete' : 'advance', reasons: [] }
}

/** As a person names it: `error_rate`, `outcome accepted`. */
export function labelOf(guard: Rollout['guards'][number]): string {
  return guard.metric === 'outcome' ? `outcome ${guard.name}` : guard.metric
}

function waitsOf(
  { hold, minUnits, stepStartedAt }: Planned,
  evidence: Pick<RolloutEvidence, 'units' | 'guards'>,
  now: number,
) {
  const leftMs = Date.parse(stepStartedAt) + holdMs(hold) - now
  const open = evidence.guards.filter(({ proves, verdict }) => proves && verdict !== 'fine')
  return [
    ...(leftMs > 0 ? [`${Math.ceil(leftMs / 1000)} s of its ${hold}`] : []),
    ...(evidence.units < minUnits ? [`units: ${evidence.units} of ${minUnits}`] : []),
    ...open.map(({ guard }) => `proof of ${labelOf(guard)}`),
  ]
}
