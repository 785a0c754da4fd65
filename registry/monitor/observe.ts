/** What was counted of a version since a moment: folded days from their sums, the others from their reports. */
import { durationMs, type Monitor } from '../../runtime/contract/monitor.ts'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { limits } from '../../runtime/limits.ts'
import type { Counted, KnownDay } from '../store/days.ts'
import type { Store } from '../store/store.ts'
import { dayFacts } from '../telemetry/day.ts'
import { dayMs, dayOf, hourMs, keptHoursMs } from '../telemetry/fold.ts'
import { clusteringOf, type FirstWindow, firstWindow, type ObservedDays } from './drift.ts'
import { countOpenDay } from './open-days.ts'

export interface Counting {
  endpoint: string
  counted: Counted
  spec: ProfileSpec
  monitor: Monitor
  /** ms since 1970. */
  deployedAt: number
  /** The moment before which windows began, in ms since 1970. */
  at: number
}

/**
 * Windows of whole hours reach back two lives of a monitor, or as far as hours are kept; those of whole days always; shorter
 * ones as far as reports are kept.
 */
export async function observe(
  store: Store,
  counting: Counting,
): Promise<{ first: FirstWindow; days: readonly ObservedDays[] }> {
  const { endpoint, counted, monitor, deployedAt, at } = counting
  if (![monitor.window, monitor.block].every(isHours)) {
    const first = firstWindow(monitor, deployedAt, at - limits.telemetryPastMs, at)
    const all = daysBetween(startOfDay(first.from), at)
    return { first, days: await Promise.all(all.map((day) => openDay(store, counting, day))) }
  }
  const knownSince = await store.days.knownSince(endpoint)
  const since = knownSince === undefined ? 0 : Date.parse(knownSince)
  const wanted = firstWindow(monitor, deployedAt, since, at)
  const known = await store.days.known(endpoint, counted, dayOf(wanted.from), dayOf(at - dayMs))
  // Of the day of the moment a part is asked for, which the sums of a day cannot tell.
  const days = [...new Set([...(await store.days.openOf(endpoint, dayOf(wanted.from), dayOf(at))), dayOf(at)])]
  const open = await Promise.all(days.map((day) => openDay(store, counting, Date.parse(day))))
  const facts = [...known.map((day) => day.facts), ...open.flatMap((day) => day.facts)]
  const windowMs = durationMs(clusteringOf(facts) === 'windows' ? monitor.block : monitor.window)
  const hoursSince = windowMs % dayMs === 0 ? since : Math.max(since, at - keptHoursMs)
  const first = firstWindow(monitor, deployedAt, hoursSince, at)
  const from = startOfDay(first.from)
  return {
    first,
    days: [
      foldedDays(
        store,
        counting,
        known.filter(({ day }) => Date.parse(day) >= from),
      ),
      ...open.filter((_, i) => Date.parse(days[i] ?? '') >= from),
    ],
  }
}

function foldedDays(store: Store, { endpoint, counted }: Counting, known: readonly KnownDay[]): ObservedDays {
  const days = known.map(({ day }) => day)
  return {
    facts: known.map(({ facts }) => facts),
    async count(windowMs) {
      const by = windowMs % dayMs === 0 ? 'whole' : 'hours'
      return {
        rows: known.flatMap(({ rows }) => rows),
        spans: (side, feature) => store.days.spans(endpoint, counted, { by, days, side, feature }),
      }
    },
  }
}

/** @param day - its start, in ms since 1970 */
async function openDay(store: Store, { endpoint, counted, spec, at }: Counting, day: number): Promise<ObservedDays> {
  const until = Math.min(at, day + dayMs)
  const [from, to] = [new Date(day).toISOString(), new Date(until).toISOString()]
  const facts = dayFacts(await store.telemetry.senderDays(endpoint, counted, from, to))
  return {
    facts: [facts],
    count: (windowMs) => {
      const spanMs = windowMs % hourMs === 0 ? hourMs : windowMs
      return countOpenDay(store, { endpoint, counted, spec, day, facts, until }, spanMs)
    },
  }
}

function isHours(duration: string): boolean {
  return durationMs(duration) % hourMs === 0
}

/** Starts of the days, in ms since 1970. */
function daysBetween(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, Math.ceil((to - from) / dayMs)) }, (_, i) => from + i * dayMs)
}

function startOfDay(ms: number): number {
  return ms - (ms % dayMs)
}
