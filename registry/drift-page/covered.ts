/** Coverage of a report: which minutes have rows, and whose, in the day before it. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { DriftDocument } from '../../runtime/contract/drift-document.ts'
import type { DriftReport } from '../../runtime/contract/monitor.ts'
import type { Counting } from '../store/coverage.ts'
import type { Store } from '../store/store.ts'
import { dayMs, hourMs } from '../telemetry/fold.ts'

export interface Covered {
  coverage: DriftDocument['coverage']
  /** How many there are in the span. */
  reports: number
}

interface Sums {
  rows: number
  senders: Set<string>
}

/** Others get their turn between hours: one of a thousand hosts has 60,000 reports. */
export async function coveredBy({ coverage }: Store, report: DriftReport): Promise<Covered> {
  const { endpoint, deployment, version, spec } = report
  const to = Date.parse(report.at)
  const from = Math.max(Date.parse(report.from), to - (to % 60_000) - dayMs)
  const windows = new Map<string, Sums>()
  const sources = new Map<string, Sums & { source: Omit<Counting, 'window' | 'sender' | 'rows'> }>()
  let reports = 0
  for (let start = from; start < to; start += hourMs) {
    const hour = { from: new Date(start).toISOString(), to: new Date(Math.min(to, start + hourMs)).toISOString() }
    for (const { window, sender, rows, ...source } of await coverage.counting(
      endpoint,
      { deployment, version, spec },
      hour,
    )) {
      const key = JSON.stringify(source)
      add(windows, window, { rows: 0, senders: new Set() }, sender, rows)
      add(sources, key, { rows: 0, senders: new Set(), source }, sender, rows)
      reports++
    }
    await othersTurn()
  }
  const told = ({ rows, senders }: Sums) => ({ rows, senders: senders.size })
  return {
    reports,
    coverage: {
      from: new Date(from).toISOString(),
      to: report.at,
      windows: Array.from(windows, ([window, sums]) => ({ window, ...told(sums) })),
      sources: Array.from(sources.values(), (sums) => ({ ...sums.source, ...told(sums) })).toSorted(
        (a, b) => b.rows - a.rows,
      ),
    },
  }
}

function add<Own extends Sums>(into: Map<string, Own>, key: string, none: Own, sender: string, rows: number): void {
  const own = into.get(key) ?? none
  own.rows += rows
  own.senders.add(sender)
  into.set(key, own)
}
