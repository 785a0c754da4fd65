/**
 * Shares of requests that fail or are too slow, held against a limit. One window at a time, so that what is now is told
 * now; the level is shared by all windows of a monitor's life.
 */

import type { Monitor } from '../contract/monitor.ts'
import type { HealthReport, RateReport } from '../contract/monitor-reports.ts'
import { latencyEdgesMs } from '../contract/telemetry.ts'
import { life } from '../drift/verdict.ts'
import { deviations } from './intervals.ts'

/** What one host told of a minute. */
export interface RequestCounts {
  latency: readonly number[]
  errors: Readonly<Record<string, number>>
}

/** Share of requests that may be above `latencyMs`. */
const slowShare = 0.05
/** Fewer requests that failed or were slow say nothing of a share: one host that stumbled. */
const leastEvents = 5

export function judgeRates(monitor: Pick<Monitor, 'alpha' | 'limits'>, told: readonly RequestCounts[]): RateReport[] {
  const { errors, latencyMs } = monitor.limits
  const failed = told.map((each) => ({ events: sum(Object.values(each.errors)), all: requestsOf(each) }))
  const found = [judgeRate(monitor, 'errors', errors, measure(failed))]
  if (latencyMs === undefined) return found
  // What is surely above the limit: cells from the first edge that reaches it on.
  const first = latencyEdgesMs.findIndex((edge) => edge >= latencyMs) + 1
  const slow = told.map(({ latency }) => ({ events: sum(latency.slice(first)), all: sum(latency) }))
  const aboveMs = latencyEdgesMs[first - 1] ?? latencyMs
  return [...found, { ...judgeRate(monitor, 'latency', slowShare, measure(slow)), aboveMs }]
}

/** The same report again from the counts and variances that it holds. */
export function recomputeRates(report: HealthReport): HealthReport {
  const rates = report.rates.map(({ aboveMs, ...rate }) => ({
    ...judgeRate(report.monitor, rate.part, rate.limit, rate),
    ...(aboveMs !== undefined && { aboveMs }),
  }))
  return { ...report, rates, verdict: verdictOf(rates) }
}

export function verdictOf(rates: readonly Pick<RateReport, 'verdict'>[]): RateReport['verdict'] {
  const has = (verdict: RateReport['verdict']) => rates.some((rate) => rate.verdict === verdict)
  if (has('drift')) return 'drift'
  return has('insufficient') ? 'insufficient' : 'no_drift'
}

type Measured = Pick<RateReport, 'events' | 'requests' | 'variance'>

// Hosts' minutes are clusters: what fails together is told together. Of a ratio, its linearised variance.
function measure(clusters: readonly { events: number; all: number }[]): Measured {
  const [events, requests] = [sum(clusters.map((each) => each.events)), sum(clusters.map((each) => each.all))]
  const value = requests === 0 ? 0 : events / requests
  const squares = sum(clusters.map((each) => (each.events - value * each.all) ** 2))
  return { events, requests, variance: requests === 0 ? 0 : squares / requests ** 2 }
}

function judgeRate(
  { alpha }: Pick<Monitor, 'alpha'>,
  part: RateReport['part'],
  limit: number,
  { events, requests, variance }: Measured,
): RateReport {
  const value = requests === 0 ? 0 : events / requests
  // At the limit: few events look precise (evidence, section 8).
  const least = requests === 0 ? 0 : (limit * (1 - limit)) / requests
  const half = deviations(1 - alpha / life / 2) * Math.sqrt(Math.max(variance, least))
  const [low, high] = requests === 0 ? [0, 1] : [Math.max(0, value - half), Math.min(1, value + half)]
  const isOver = low > limit && events >= leastEvents
  const verdict = isOver ? 'drift' : high < limit ? 'no_drift' : 'insufficient'
  return { part, verdict, limit, events, requests, variance, value, low, high }
}

function requestsOf({ latency, errors }: RequestCounts): number {
  return sum(latency) + sum(Object.values(errors))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
