/**
 * Days that are not folded, counted from their reports. What windows counted that are a while ago is remembered, since a
 * thousand hosts take seconds; a report that changes one of them makes it forgotten.
 */
import type { ProfileFeature, ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import type { Counted, DayFacts, Side, Span } from '../store/days.ts'
import type { Store } from '../store/store.ts'
import { type FeatureCounter, openFeatureCounter, openPlacing, type Placing } from '../telemetry/day.ts'
import { dayMs, hourMs, mostAtOnce } from '../telemetry/fold.ts'
import type { DayCounts } from './drift.ts'

export interface OpenDay {
  endpoint: string
  counted: Counted
  spec: ProfileSpec
  /** Start, in ms since 1970. */
  day: number
  facts: DayFacts
  /** The moment before which windows began. */
  until: number
}

interface State {
  facts: DayFacts
  /** Of the store's changes. */
  version: number
  /** Windows before are counted. */
  upTo: number
  placing: Placing
  counters: ReadonlyMap<string, FeatureCounter>
  rows: { at: number; rows: number }[]
}

interface Remembered {
  state: State | undefined
  turn: Promise<unknown>
}

/** Nearly all hosts have reported a window by then. */
const settledMs = 5 * 60_000
const mostDays = 8

// A store is open as long as its registry.
const remembered = new WeakMap<Store, Map<string, Remembered>>()

/** @param spanMs - spans that are told apart: windows, or hours where those are whole hours */
export async function countOpenDay(store: Store, open: OpenDay, spanMs: number): Promise<DayCounts> {
  const features = [
    ...open.spec.features.map((feature) => ({ side: 'counts' as const, feature })),
    ...open.spec.outputs.map((feature) => ({ side: 'outputs' as const, feature })),
  ]
  const size = Math.max(1, Math.floor(mostAtOnce / Math.max(1, open.facts.senders)))
  if (features.length <= size) return await rememberedCounts(store, open, spanMs, features)
  const found: Counts[] = []
  for (let at = 0; at < features.length; at += size) {
    found.push(await countOn(store, open, openState(open, spanMs, 0, features.slice(at, at + size)), open.until))
  }
  const spans = new Map(found.flatMap((each) => [...each.spans]))
  return readable({ rows: found[0]?.rows ?? [], spans })
}

interface Counts {
  rows: readonly { at: number; rows: number }[]
  spans: ReadonlyMap<string, readonly Span[]>
}

type Counting = { side: Side; feature: ProfileFeature }

async function rememberedCounts(
  store: Store,
  open: OpenDay,
  spanMs: number,
  features: readonly Counting[],
): Promise<DayCounts> {
  const days = remembered.get(store) ?? new Map<string, Remembered>()
  remembered.set(store, days)
  const { endpoint, counted, day } = open
  const key = JSON.stringify([endpoint, counted.deployment, counted.version, counted.spec, day, spanMs])
  const held = days.get(key) ?? { state: undefined, turn: Promise.resolve() }
  // The one that was asked for least recently goes first.
  days.delete(key)
  days.set(key, held)
  for (const oldest of days.keys()) if (days.size > mostDays) days.delete(oldest)

  const work = async () => {
    const changes = store.days.changes(endpoint, new Date(day).toISOString().slice(0, 10), held.state?.version ?? 0)
    const state = isValid(held.state, open, changes.lowest)
      ? held.state
      : openState(open, spanMs, changes.version, features)
    // Where it fails on its way, nothing of it is kept.
    held.state = undefined
    const settled = Math.max(state.upTo, floorTo(open.until - settledMs, 60_000))
    await advance(store, open, state, Math.min(settled, open.until))
    held.state = { ...state, version: changes.version }
    return await countOn(store, open, forked(state), open.until)
  }
  const counts = held.turn.then(work)
  held.turn = counts.catch(() => undefined)
  return readable(await counts)
}

function isValid(state: State | undefined, { facts, until }: OpenDay, lowest: string | undefined): state is State {
  if (state === undefined || state.upTo > until) return false
  if (lowest !== undefined && Date.parse(lowest) < state.upTo) return false
  return state.facts.unitHosts === facts.unitHosts && state.facts.pageRows === facts.pageRows
}

function openState({ facts, day }: OpenDay, spanMs: number, version: number, features: readonly Counting[]): State {
  const counters = features.map(
    ({ side, feature }) => [keyOf(side, feature.name), openFeatureCounter(side, feature, facts)] as const,
  )
  return { facts, version, upTo: day, placing: openPlacing(facts, spanMs), counters: new Map(counters), rows: [] }
}

function forked({ placing, counters, rows, ...rest }: State): State {
  const own = Array.from(counters, ([key, counter]) => [key, counter.fork()] as const)
  return { ...rest, placing: placing.fork(), counters: new Map(own), rows: rows.map((each) => ({ ...each })) }
}

/** An hour's reports are in memory at a time. */
async function advance({ telemetry }: Store, open: OpenDay, state: State, until: number): Promise<void> {
  const { endpoint, counted } = open
  const end = Math.min(until, open.day + dayMs)
  for (let at = state.upTo; at < end; at = state.upTo) {
    const next = Math.min(end, floorTo(at, hourMs) + hourMs)
    const [since, before] = [new Date(at).toISOString(), new Date(next).toISOString()]
    for (const row of await telemetry.senderCounts(endpoint, counted, since, before)) {
      const placed = state.placing.place(row)
      if (placed === undefined) continue
      const last = state.rows.at(-1)
      if (last?.at === placed.at) last.rows += placed.row.rows
      else state.rows.push({ at: placed.at, rows: placed.row.rows })
      for (const counter of state.counters.values()) counter.add(placed)
    }
    state.upTo = next
  }
}

async function countOn(store: Store, open: OpenDay, state: State, until: number): Promise<Counts> {
  await advance(store, open, state, until)
  return {
    rows: state.rows,
    spans: new Map(Array.from(state.counters, ([key, counter]) => [key, counter.spans()])),
  }
}

function readable({ rows, spans }: Counts): DayCounts {
  return { rows, spans: async (side, feature) => spans.get(keyOf(side, feature)) ?? [] }
}

function keyOf(side: Side, feature: string): string {
  return `${side} ${feature}`
}

function floorTo(ms: number, step: number): number {
  return ms - (ms % step)
}
