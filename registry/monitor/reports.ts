/** The report of a monitor on a deployment at a moment, whatever its signal. */

import { type DriftReport, durationMs, type Monitor } from '../../runtime/contract/monitor.ts'
import type { HealthReport, MonitorReport } from '../../runtime/contract/monitor-reports.ts'
import { judgeRates, verdictOf } from '../../runtime/performance/rates.ts'
import type { Store } from '../store/store.ts'
import { driftReport } from './drift.ts'
import { judgedBy, performanceReport } from './losses.ts'
import { observe } from './observe.ts'
import { type Baselined, hasBaseline, refuseMonitor, type Watched } from './watched.ts'

/**
 * From the windows that began before a moment.
 *
 * @param at - ms since 1970
 * @throws {@link SelvedgeError} `MONITOR_REFUSED` where the deployment has not what the monitor needs
 */
export async function reportAt(
  store: Store,
  endpoint: string,
  monitor: Monitor,
  watched: Watched,
  at: number,
): Promise<MonitorReport> {
  if (monitor.signal === 'health') return await healthReport(store, endpoint, monitor, watched, at)
  if (!hasBaseline(watched)) {
    const why = `deployment ${watched.deployment.name} serves a version without a baseline`
    throw refuseMonitor({ name: endpoint }, why)
  }
  if (monitor.signal !== 'performance') return await driftAt(store, endpoint, monitor, watched, at)
  const judged = await judgedBy(store, endpoint, monitor, watched)
  if ('why' in judged) throw refuseMonitor({ name: endpoint }, judged.why)
  return await performanceReport(store, endpoint, monitor, watched, judged, at)
}

async function driftAt(
  store: Store,
  endpoint: string,
  monitor: Monitor,
  { deployment, spec: { digest, spec } }: Baselined,
  at: number,
): Promise<DriftReport> {
  const counted = { deployment: deployment.name, version: deployment.version, spec: digest }
  const { baseline } = monitor
  const past = baseline === 'training' ? undefined : await store.monitors.past(endpoint, monitor.name, counted)
  if (baseline !== 'training' && past === undefined) {
    throw refuseMonitor({ name: endpoint }, `deployment ${deployment.name} counted too few rows in that span of time`)
  }
  // Rows of the baseline are not held against themselves.
  const since = baseline === 'training' ? 0 : Date.parse(baseline.to)
  const deployedAt = Math.max(since, Date.parse(deployment.createdAt))
  const observed = await observe(store, { endpoint, counted, spec, monitor, deployedAt, at })
  return await driftReport({ endpoint, monitor, counted, spec, past, ...observed, now: at })
}

// The last whole window: what fails now is what matters.
async function healthReport(
  store: Store,
  endpoint: string,
  monitor: Monitor,
  { deployment: { name: deployment, version } }: Watched,
  at: number,
): Promise<HealthReport> {
  const windowMs = durationMs(monitor.window)
  const end = at - (at % windowMs)
  const span = { from: new Date(end - windowMs).toISOString(), to: new Date(end).toISOString() }
  const told = await store.requests.requests(endpoint, { deployment, version }, span)
  const rates = judgeRates(monitor, told)
  const errors: Record<string, number> = {}
  for (const each of told) {
    for (const [code, count] of Object.entries(each.errors)) errors[code] = (errors[code] ?? 0) + count
  }
  return {
    endpoint,
    monitor,
    deployment,
    version,
    at: span.to,
    from: span.from,
    rows: rates[0]?.requests ?? 0,
    verdict: verdictOf(rates),
    rates,
    errors,
  }
}
