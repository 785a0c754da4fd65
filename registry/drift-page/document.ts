/** Reads what a drift page shows: the report, and a bounded part of what stands around it. */
import type { DriftDocument } from '../../runtime/contract/drift-document.ts'
import { type DriftReport, durationMs, type MonitorLook, monitorLook } from '../../runtime/contract/monitor.ts'
import type { MonitorReport } from '../../runtime/contract/monitor-reports.ts'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { limits } from '../../runtime/limits.ts'
import { partsOf } from '../../runtime/monitor.ts'
import type { Services } from '../http/env.ts'
import { attributionOf } from '../monitor/attribution.ts'
import { performanceOf } from '../monitor/performance.ts'
import type { AlarmState } from '../store/looks.ts'
import type { Store } from '../store/store.ts'
import { dayMs, hourMs } from '../telemetry/fold.ts'
import { coveredBy } from './covered.ts'

const mostLooks = 200
/** Features and outputs of all looks together. */
const mostParts = 20_000
/** Some seconds' work. */
const mostReports = 20_000

/** @param isPast - what was said then, not what is so now */
export async function driftDocumentOf(
  { store }: Services,
  report: DriftReport,
  isPast: boolean,
): Promise<DriftDocument> {
  const { coverage, reports } = await coveredBy(store, report)
  const span = keptSpan(report)
  // What reads every report, with its counts, is left to its own route where they are many. Of days that ended sums are enough
  // to tell where a drift comes from, but for windows that are no whole hours.
  const days = (Date.parse(span.to) - Date.parse(span.from)) / dayMs
  const isSmall = reports * days <= mostReports
  const openDays = durationMs(report.monitor.window) % hourMs === 0 ? Math.min(1, days) : days
  const isSoonTold = reports * openDays <= mostReports
  return {
    report,
    looks: await looksOf(store, report),
    alarms: isPast ? [] : await alarmsOf(store, report),
    ...(isSoonTold && report.verdict === 'drift' && { attribution: await attributionOf(store, report) }),
    coverage,
    performance: await performance(store, report, span, isSmall),
  }
}

/** How the monitors of the report's deployment stand. */
export async function alarmsOf(
  { looks }: Store,
  { endpoint, deployment, version }: MonitorReport,
): Promise<AlarmState[]> {
  const states = await looks.states(endpoint)
  return states.filter((state) => state.deployment === deployment && state.version === version)
}

// By the minute, as reports are.
function keptSpan({ from, at }: DriftReport): { from: string; to: string } {
  const kept = Date.parse(at) - limits.telemetryPastMs
  return { from: new Date(Math.max(Date.parse(from), kept)).toISOString(), to: at }
}

/** The monitor's last looks at the deployment, the oldest first. */
export async function looksOf(store: Store, report: MonitorReport): Promise<MonitorLook[]> {
  const { endpoint, deployment, version, monitor, at } = report
  const parts = Math.max(1, partsOf(report).length)
  const limit = Math.max(20, Math.min(mostLooks, Math.floor(mostParts / parts)))
  const looked = { endpoint, monitor: monitor.name, deployment }
  const after = new Date(Date.parse(at) + 1).toISOString()
  const found = await store.looks.looks(looked, { before: after, limit })
  return found
    .map((look) => monitorLook.parse({ ...look, ...(look.summary as object) }))
    .filter((look) => look.version === version)
    .reverse()
}

async function performance(
  store: Store,
  { endpoint, deployment, version, spec: digest }: DriftReport,
  span: { from: string; to: string },
  isEstimated: boolean,
): Promise<DriftDocument['performance']> {
  const served = (await store.endpoints.served(endpoint)).flatMap((each) =>
    each.deployment === deployment && each.version === version && each.spec?.digest === digest
      ? [{ ...each, spec: isEstimated ? each.spec : { ...each.spec, spec: withoutPositives(each.spec.spec) } }]
      : [],
  )
  const made = await store.monitors.monitors(endpoint)
  const outcome = made.find(({ signal, outcome }) => signal === 'performance' && outcome !== undefined)?.outcome
  const from = Date.parse(span.from)
  const to = Date.parse(span.to)
  return await performanceOf(store, served.slice(0, 1), {
    endpoint,
    outcome,
    from: from - (from % dayMs),
    to: to - (to % dayMs) + dayMs,
    windowMs: dayMs,
  })
}

/** Of which nothing can be estimated. */
function withoutPositives({ outputs, ...spec }: ProfileSpec): ProfileSpec {
  return {
    ...spec,
    outputs: outputs.map((output) => (output.kind === 'numeric' ? { ...output, positives: undefined } : output)),
  }
}
