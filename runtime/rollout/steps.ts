/**
 * Whether the steps of a rollout can ever promote with the traffic there is. A small share proves little: 1 % of 50,000
 * units has 500, among which a rate of 2 % has ten events (evidence, section 8).
 */
import type { Guard, RolloutAdvice, RolloutBody } from '../contract/rollout.ts'
import { usualSpread } from './compare.ts'
import { levelOf } from './guards.ts'
import { upperTail } from './normal.ts'
import { radius } from './sequence.ts'

/** What is known of the traffic. */
export interface Traffic {
  /** Of all deployments; 0 where nothing was heard. */
  unitsPerDay: number
  /** Of what serves now. */
  errorRate: number
  /** Independent rows that a unit is worth: its rows by the design effect. */
  rowsPerUnit: number
}

type Planned = Pick<RolloutBody, 'steps' | 'guards' | 'alpha' | 'minUnits'>

/** Evidence is kept so long. */
const mostDays = 7
/** Where nothing was heard yet. */
const assumedUnits = 50_000
const choices = [1, 2, 5, 10, 20, 30, 40, 50]

export function adviseSteps(rollout: Planned, traffic: Traffic): RolloutAdvice {
  const reach = traffic.unitsPerDay > 0 ? traffic.unitsPerDay * mostDays : assumedUnits
  const needs = (percent: number) => unitsNeeded(rollout, percent, traffic)
  const steps = rollout.steps.map((percent) => {
    if (percent === 100) return { percent, canPromote: true }
    const units = needs(percent)
    const days = traffic.unitsPerDay > 0 && { days: Number((units / traffic.unitsPerDay).toPrecision(2)) }
    return { percent, units, ...days, canPromote: units <= reach }
  })
  const small = steps.filter(({ canPromote }) => !canPromote)
  if (small.length === 0) return { steps, text: 'every step can promote' }
  const first = choices.find((percent) => needs(percent) <= reach)
  const kept = steps.filter(({ percent, canPromote }) => canPromote && percent < 100 && percent > (first ?? 100))
  const proposed = first === undefined ? [] : [first, ...kept.map(({ percent }) => percent), 100]
  return { steps, proposed, text: textOf(small, traffic, proposed) }
}

function textOf(
  small: readonly { percent: number; units?: number }[],
  { unitsPerDay }: Traffic,
  proposed: number[],
): string {
  const each = small.map(({ percent, units = 0 }) => `${percent} % (about ${units} units)`).join(', ')
  const had =
    unitsPerDay > 0
      ? `${Math.round(unitsPerDay)} units came in the last day and evidence is kept for ${mostDays}`
      : `no traffic was heard yet, ${assumedUnits} units are assumed`
  const can =
    proposed.length > 0
      ? `these steps can: ${proposed.join(',')}`
      : 'no step can: allow more in its guards, or name fewer of them'
  return `too small to promote, they can only stop: ${each}; ${had}. ${can}`
}

/** Units of all deployments until a version that is no worse is proven fine, about half of the time. */
function unitsNeeded(rollout: Planned, percent: number, traffic: Traffic): number {
  const share = percent / 100
  const level = levelOf(rollout.alpha, rollout.guards, rollout.steps)
  const isEnough = (units: number) => rollout.guards.every((guard) => isProven(guard, units, share, level, traffic))
  let [low, high] = [0, 64]
  while (!isEnough(high) && high < 1e15) [low, high] = [high, high * 2]
  while (high - low > Math.max(1, high / 1000)) {
    const middle = (low + high) / 2
    if (isEnough(middle)) high = middle
    else low = middle
  }
  return Math.ceil(Math.max(high, rollout.minUnits / share))
}

/** Events without which nothing is proven, as in `compare.ts`. */
const leastEvents = 20
const leastClusters = 30

function isProven(guard: Guard, units: number, share: number, level: number, traffic: Traffic): boolean {
  const rows = units * traffic.rowsPerUnit
  const [green, blue] = [rows * share, rows * (1 - share)]
  const ofRate = (worst: number, rate: number, lead: number, spread: number) =>
    green * worst >= leastEvents &&
    radius((worst * (1 - worst)) / green + (rate * (1 - rate)) / blue, spread, level) < lead
  const ofMean = (variance: number, margin: number, spread: number, part: number) =>
    Math.min(green, blue) >= leastClusters && radius(variance / green + variance / blue, spread, level * part) < margin
  switch (guard.metric) {
    case 'error_rate':
      return ofRate(
        Math.min(0.5, traffic.errorRate + guard.margin),
        traffic.errorRate,
        guard.margin,
        usualSpread({ ...guard, isRate: true }),
      )
    case 'latency_p95':
      return ofRate(0.05, 0.05, 0.05 - usualTail(guard.ratio), 0.05)
    case 'drift':
      return ofMean(1, guard.limit, guard.limit, usualPart)
    case 'outcome':
      // Of a rate at its widest; a number may vary more, which nobody knows before it came.
      return guard.margin >= 1 || ofMean(0.25, guard.margin, 2 * guard.margin, 1)
    case 'sample_ratio':
    case 'parity':
      return true
  }
}

/** A drift guard looks at a location and a scale, or at some levels, of two outputs. */
const usualPart = 0.1

/** Share of requests above 1.2, or another ratio, times their 95th percentile, where their logarithms deviate by 0.6. */
function usualTail(ratio: number): number {
  return upperTail(1.645 + Math.log(ratio) / 0.6)
}
