/** Folding days that ended: their reports by sender become sums, and what came late is folded in at the next turn. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { ProfileFeature, ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { life } from '../../runtime/drift/verdict.ts'
import {
  type Counted,
  type DayFacts,
  type FoldedDay,
  type FoldedFeature,
  type OpenDay,
  type Side,
  type Source,
  together,
} from '../store/days.ts'
import type { Store } from '../store/store.ts'
import { dayFacts, openFeatureCounter, openPlacing, sumOf } from './day.ts'

export const hourMs = 3600_000
export const dayMs = 24 * hourMs

/** Hours of a folded day are kept for two lives of a monitor whose windows are hours; the day as a whole for ever. */
export const keptHoursMs = 2 * life * hourMs
/** What a host counted before midnight comes by then; the rest is late, and the day is folded again. */
const graceMs = hourMs
/** Senders times features that are counted at once: 13 numbers each. */
export const mostAtOnce = 600_000

/**
 * @param now - ms since 1970
 * @param signal - ends it; days that are folded stay so
 */
export async function foldDays(store: Store, now: number, signal?: AbortSignal): Promise<void> {
  for (const day of await store.days.open(dayOf(now - graceMs))) {
    const folded: FoldedDay[] = []
    const served = await store.endpoints.served(day.endpoint)
    for (const counted of await store.days.counted(day.endpoint, day.day)) {
      const spec = served.find((each) => each.spec?.digest === counted.spec)?.spec
      if (spec !== undefined) folded.push(await foldDay(store, day, counted, spec.spec, signal))
    }
    if (signal?.aborted) return
    await store.days.put(day, folded)
  }
  await store.days.dropHours(dayOf(now - keptHoursMs - dayMs))
}

/** The UTC day of a moment in ms since 1970: 2026-11-24. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}

async function foldDay(
  store: Store,
  { endpoint, day }: OpenDay,
  { sources, ...counted }: Counted & { sources: readonly Source[] },
  spec: ProfileSpec,
  signal?: AbortSignal,
): Promise<FoldedDay> {
  const facts = dayFacts(await store.telemetry.senderDays(endpoint, counted, `${day}T`, `${day}U`))
  const from = Date.parse(day)
  const span = { endpoint, counted, facts, from, until: from + dayMs }
  const split = sources.length > 1 ? sources : []
  return { ...counted, facts, sources, ...(await countDay(store, span, partsOf(spec), [together, ...split], signal)) }
}

/** A feature or output. */
export interface Part {
  side: Side
  feature: ProfileFeature
}

export function partsOf({ features, outputs }: ProfileSpec): Part[] {
  return [
    ...features.map((feature) => ({ side: 'counts' as const, feature })),
    ...outputs.map((feature) => ({ side: 'outputs' as const, feature })),
  ]
}

/** A day or some of it, in ms since 1970; the facts are those of the day. */
interface DaySpan {
  endpoint: string
  counted: Counted
  facts: DayFacts
  from: number
  until: number
}

/** Counts reports by hour and source. What is in memory at a time is bounded, in reports and in counts of senders. */
export async function countDay(
  store: Store,
  span: DaySpan,
  parts: readonly Part[],
  sources: readonly Source[],
  signal?: AbortSignal,
): Promise<Pick<FoldedDay, 'rows' | 'features'>> {
  const all = sources.flatMap((source) => parts.map((part) => ({ source, ...part })))
  const size = Math.max(1, Math.floor(mostAtOnce / Math.max(1, span.facts.senders)))
  const found: Pick<FoldedDay, 'rows' | 'features'> = { rows: [], features: [] }
  for (let at = 0; at < all.length && !signal?.aborted; at += size) {
    const part = await countHours(store, span, all.slice(at, at + size), signal)
    found.rows = part.rows
    found.features.push(...part.features)
  }
  return found
}

/** An hour's reports are in memory at a time. */
async function countHours(
  { telemetry }: Store,
  { endpoint, counted, facts, from, until }: DaySpan,
  counting: readonly (Part & { source: Source })[],
  signal: AbortSignal | undefined,
): Promise<Pick<FoldedDay, 'rows' | 'features'>> {
  const placing = openPlacing(facts, hourMs)
  const opened = counting.map((each) => ({ ...each, counter: openFeatureCounter(each.side, each.feature, facts) }))
  const rows: FoldedDay['rows'] = []
  for (let at = from - (from % hourMs); at < until && !signal?.aborted; at += hourMs) {
    const [since, before] = [Math.max(from, at), Math.min(until, at + hourMs)].map((ms) => new Date(ms).toISOString())
    const found = await telemetry.senderCounts(endpoint, counted, since ?? '', before)
    const placed = found.flatMap((row) => placing.place(row) ?? [])
    if (placed.length > 0) rows.push({ at, rows: placed.reduce((sum, { row }) => sum + row.rows, 0) })
    for (const { source, counter } of opened) {
      for (const each of placed) if (source === together || isOf(source, each.row)) counter.add(each)
      await othersTurn()
    }
  }
  const features = opened.flatMap(({ source, side, feature, counter }): FoldedFeature[] => {
    const hours = counter.spans()
    const whole = sumOf(hours)
    return whole === undefined ? [] : [{ ...source, side, feature: feature.name, hours, whole }]
  })
  return { rows, features }
}

function isOf({ variant, provider, device }: Source, row: Source): boolean {
  return row.variant === variant && row.provider === provider && row.device === device
}
