/** Taking reports: checked against what was served, then committed together with all that came in the same 20 ms. */
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { Counters } from '../metrics/counters.ts'
import type { Tier } from '../store/days.ts'
import type { CheckedReport, Folded, Served, Store } from '../store/store.ts'
import { checkReport, type RefusalReason, refuse } from './check.ts'
import { openQuota } from './quota.ts'

export interface Intake {
  /**
   * Settles once the report is on disk; true where it was counted, false where it or a later one was before.
   *
   * @param page - which page token and network it comes from, whose word is anyone's; absent for a host that is known
   * @throws SelvedgeError `TELEMETRY_REFUSED`
   */
  take(report: TelemetryReport, page?: string): Promise<boolean>
  /** What the endpoint serves may have changed. */
  changed(endpoint: string): void
  /** Settles once all that was taken is on disk. */
  close(): Promise<void>
}

interface Waiting {
  report: CheckedReport
  resolve(folded: Folded | undefined): void
  reject(thrown: unknown): void
}

// One sync to disk a group: it stops the event loop for about 3 ms on a slow disk.
const groupMs = 20

export function openIntake(store: Store, now: () => number, counters: Counters): Intake {
  const units = openQuota(limits.pageUnits, now)
  const servedBy = new Map<string, Promise<Served[]>>()
  let group: Waiting[] = []
  let timer: NodeJS.Timeout | undefined
  let committing = Promise.resolve()

  function commit(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const taken = group
    group = []
    if (taken.length > 0) committing = committing.then(() => commitGroup(store, taken))
    return committing
  }

  async function served(endpoint: string): Promise<Served[]> {
    const held = servedBy.get(endpoint)
    if (held !== undefined) return await held
    if ((await store.endpoints.endpoint(endpoint)) === undefined) throw unknownEndpoint(endpoint)
    const reading = store.endpoints.served(endpoint)
    servedBy.set(endpoint, reading)
    reading.catch(() => servedBy.delete(endpoint))
    return await reading
  }

  function refused(reason: RefusalReason): void {
    counters.add('reports_refused', { reason })
  }

  function leftOut(reason: RefusalReason, events: number): void {
    if (events > 0) counters.add('events_refused', { reason }, events)
  }

  function withinQuota(report: CheckedReport, page: string): CheckedReport {
    return { ...report, exposures: report.exposures.slice(0, units.take(page, report.exposures.length)) }
  }

  // Counts what is refused by its reason.
  async function refusing<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } catch (thrown) {
      if (thrown instanceof SelvedgeError && thrown.code === 'TELEMETRY_REFUSED') {
        refused(thrown.detail.reason as RefusalReason)
      }
      throw thrown
    }
  }

  async function check(report: TelemetryReport, tier: Tier): Promise<CheckedReport> {
    return checkReport(report, tier, await served(report.endpoint), now())
  }

  async function fold(report: CheckedReport): Promise<Folded> {
    const folded = await new Promise<Folded | undefined>((resolve, reject) => {
      group.push({ report, resolve, reject })
      timer ??= setTimeout(() => void commit(), groupMs)
    })
    if (folded !== undefined) return folded
    throw refuse('day_closed', `of the day of window ${report.window} nothing but its sums is left`)
  }

  return {
    async take(report, page) {
      const whole = await refusing(check(report, page === undefined ? 'trusted' : 'page'))
      const checked = page === undefined ? whole : withinQuota(whole, page)
      const { counted, busy } = await refusing(fold(checked))
      if (!counted) refused('old_sequence')
      counters.add('reports', { counted: String(counted) })
      leftOut('rejected_time', eventsOf(report) - eventsOf(whole))
      leftOut('quota', eventsOf(whole) - eventsOf(checked))
      leftOut('busy_unit', busy)
      return counted
    },
    changed: (endpoint) => void servedBy.delete(endpoint),
    close: commit,
  }
}

function eventsOf({ exposures, outcomes }: TelemetryReport): number {
  return exposures.length + outcomes.length
}

async function commitGroup(store: Store, group: readonly Waiting[]): Promise<void> {
  try {
    const folded = await store.telemetry.fold(group.map(({ report }) => report))
    for (const [index, { resolve }] of group.entries()) resolve(folded[index])
  } catch (thrown) {
    // One that cannot be folded must not take the others of its moment with it.
    if (group.length > 1) for (const each of group) await commitGroup(store, [each])
    else for (const { reject } of group) reject(thrown)
  }
}

export function unknownEndpoint(endpoint: string): SelvedgeError {
  const reason: RefusalReason = 'unknown_endpoint'
  return new SelvedgeError('TELEMETRY_REFUSED', `there is no endpoint ${endpoint}`, { endpoint, reason })
}
