/**
 * What a deployment counted in a span of time, by source: days that are folded from their sums, the others from their reports,
 * an hour's at a time.
 */
import { type Counted, type KnownDay, type Side, type Source, type Span, together } from '../store/days.ts'
import type { Store } from '../store/store.ts'
import { dayFacts } from '../telemetry/day.ts'
import { countDay, dayMs, dayOf, hourMs, type Part } from '../telemetry/fold.ts'

export interface Spanned {
  endpoint: string
  counted: Counted
  /** ms since 1970: included, and excluded. */
  from: number
  until: number
}

export interface SourceCounts {
  /** Absent for all together. */
  source?: Source
  /** Of a part, in order: a sum for each day, or for each of its hours. */
  spans(side: Side, feature: string): Promise<readonly Span[]>
}

/**
 * @param by - `source` leaves out days of which it is not known what their one source was; a part of a day of which only sums
 * are left is left out unless it begins and ends with an hour
 */
export async function countSpan(
  store: Store,
  spanned: Spanned,
  parts: readonly Part[],
  by: 'together' | 'source',
): Promise<SourceCounts[]> {
  const { endpoint, counted, from, until } = spanned
  const known = await store.days.known(endpoint, counted, dayOf(from), dayOf(until - 1))
  const folded = known.filter(({ day }) => isWhole(day, spanned) || [from, until].every((ms) => ms % hourMs === 0))
  const open = await openDays(store, spanned, new Set(folded.map(({ day }) => day)), parts, by)
  const sources = by === 'together' ? [together] : different([...folded, ...open].flatMap((day) => day.sources))
  return sources.map((source) => ({
    ...(by === 'source' && { source }),
    async spans(side, feature) {
      const asked = { side, feature, source, by }
      const sums = await foldedSpans(store, spanned, folded, asked)
      return [...sums, ...open.flatMap(({ spans }) => spans.get(keyOf(side, feature, source)) ?? [])]
    },
  }))
}

interface Asked {
  side: Side
  feature: string
  source: Source
  by: 'together' | 'source'
}

async function foldedSpans(
  { days }: Store,
  spanned: Spanned,
  known: readonly KnownDay[],
  { side, feature, source, by }: Asked,
): Promise<Span[]> {
  const { endpoint, counted, from, until } = spanned
  const found: Span[] = []
  // A day with one source has its sums under the name of all.
  const isAlone = (day: KnownDay) => by === 'source' && day.sources.length === 1
  for (const alone of [true, false]) {
    const own = known.filter((day) => isAlone(day) === alone && (by === 'together' || hasSource(day, source)))
    for (const length of ['whole', 'hours'] as const) {
      const asked = own.filter(({ day }) => isWhole(day, spanned) === (length === 'whole')).map(({ day }) => day)
      const names = { side, feature, by: length, days: asked, source: alone ? together : source }
      found.push(...(await days.spans(endpoint, counted, names)))
    }
  }
  return found.filter(({ at }) => at >= from && at < until).toSorted((a, b) => a.at - b.at)
}

interface OpenSpans {
  sources: readonly Source[]
  spans: ReadonlyMap<string, readonly Span[]>
}

async function openDays(
  store: Store,
  { endpoint, counted, ...span }: Spanned,
  folded: ReadonlySet<string>,
  parts: readonly Part[],
  by: 'together' | 'source',
): Promise<OpenSpans[]> {
  const found: OpenSpans[] = []
  for (let start = span.from - (span.from % dayMs); start < span.until; start += dayMs) {
    const day = dayOf(start)
    if (folded.has(day)) continue
    const until = Math.min(span.until, start + dayMs)
    const [first, last] = [new Date(start).toISOString(), new Date(until).toISOString()]
    const facts = dayFacts(await store.telemetry.senderDays(endpoint, counted, first, last))
    if (facts.senders === 0) continue
    const sources = by === 'together' ? [together] : await sourcesOf(store, endpoint, counted, day)
    const asked = { endpoint, counted, facts, from: Math.max(span.from, start), until }
    const { features } = await countDay(store, asked, parts, sources)
    const spans = features.map(
      ({ side, feature, whole, ...source }) => [keyOf(side, feature, source), [whole]] as const,
    )
    found.push({ sources, spans: new Map(spans) })
  }
  return found
}

async function sourcesOf({ days }: Store, endpoint: string, counted: Counted, day: string): Promise<Source[]> {
  const { deployment, version, spec } = counted
  const all = await days.counted(endpoint, day)
  const own = all.find((each) => each.deployment === deployment && each.version === version && each.spec === spec)
  return own?.sources ?? []
}

function isWhole(day: string, { from, until }: Spanned): boolean {
  const start = Date.parse(day)
  return from <= start && start + dayMs <= until
}

function hasSource({ sources }: KnownDay, source: Source): boolean {
  return sources.some((each) => nameOf(each) === nameOf(source))
}

function different(sources: readonly Source[]): Source[] {
  return [...new Map(sources.map((source) => [nameOf(source), source])).values()]
}

function nameOf({ variant, provider, device }: Source): string {
  return JSON.stringify([variant, provider, device])
}

function keyOf(side: Side, feature: string, source: Source): string {
  return `${side} ${feature} ${nameOf(source)}`
}
