/** What was counted of a version since a moment: folded days from their sums, the others from their reports. */
import { durationMs, type Monitor } from '../../runtime/contract/monitor.ts'
import { limits } from '../../runtime/limits.ts'
import type { Counted, KnownDay, SenderCounts } from '../store/days.ts'
import type { Store } from '../store/store.ts'
import { dayFacts, senderDays } from '../telemetry/day.ts'
import { dayMs, dayOf, hourMs, keptHoursMs } from '../telemetry/fold.ts'
import { clusteringOf, type FirstWindow, type Folded, firstWindow } from './drift.ts'

export interface Counts {
  first: FirstWindow
  /** Of days that are not folded, in the order of their windows. */
  rows: SenderCounts[]
  folded: Folded
}

/**
 * Windows of whole hours reach back two lives of a monitor, or as far as hours are kept; those of whole days always; shorter
 * ones as far as reports are kept.
 *
 * @param deployedAt - ms since 1970
 * @param at - the moment before which windows began, in ms since 1970
 */
export async function observe(
  store: Store,
  endpoint: string,
  counted: Counted,
  monitor: Monitor,
  deployedAt: number,
  at: number,
): Promise<Counts> {
  const knownSince = await store.days.knownSince(endpoint)
  const since = knownSince === undefined ? 0 : Date.parse(knownSince)
  const wanted = firstWindow(monitor, deployedAt, since, at)
  const read = (from: number, to: number) => readRows(store, endpoint, counted, from, to)
  if (![monitor.window, monitor.block].every(isHours)) {
    const first = firstWindow(monitor, deployedAt, at - limits.telemetryPastMs, at)
    const rows = await read(startOfDay(first.from), at)
    return { first, rows, folded: { days: [], spans: async () => [] } }
  }
  const known = await store.days.known(endpoint, counted, dayOf(wanted.from), dayOf(at - dayMs))
  const rows: SenderCounts[] = []
  for (const day of await store.days.openOf(endpoint, dayOf(wanted.from), dayOf(at))) {
    rows.push(...(await read(Date.parse(day), Math.min(at, Date.parse(day) + dayMs))))
  }
  const windowMs = durationMs(windowOf(monitor, known, rows))
  const by = windowMs % dayMs === 0 ? 'whole' : 'hours'
  const first = by === 'whole' ? wanted : firstWindow(monitor, deployedAt, Math.max(since, at - keptHoursMs), at)
  const days = known.filter(({ day }) => Date.parse(day) >= startOfDay(first.from))
  const asked = { by, days: days.map(({ day }) => day) } as const
  return {
    first,
    rows: rows.filter(({ window }) => Date.parse(window) >= startOfDay(first.from)),
    folded: { days, spans: (side, feature) => store.days.spans(endpoint, counted, { ...asked, side, feature }) },
  }
}

function isHours(duration: string): boolean {
  return durationMs(duration) % hourMs === 0
}

/** The window of the grid. */
function windowOf({ window, block }: Monitor, known: readonly KnownDay[], rows: readonly SenderCounts[]): string {
  const days = Map.groupBy(rows, (row) => row.window.slice(0, 10))
  const facts = [...known.map((day) => day.facts), ...Array.from(days.values(), (day) => dayFacts(senderDays(day)))]
  return clusteringOf(facts) === 'windows' ? block : window
}

async function readRows(
  { telemetry }: Store,
  endpoint: string,
  counted: Counted,
  from: number,
  to: number,
): Promise<SenderCounts[]> {
  return await telemetry.senderCounts(endpoint, counted, new Date(from).toISOString(), new Date(to).toISOString())
}

function startOfDay(ms: number): number {
  return ms - (ms % dayMs)
}
