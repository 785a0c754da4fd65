/** Performance of deployments window by window: measured where outcomes came, estimated where the baseline had some. */
import { setImmediate as othersTurn } from 'node:timers/promises'
import type { PerformanceWindow } from '../../runtime/contract/performance.ts'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { limits } from '../../runtime/limits.ts'
import { estimate } from '../../runtime/performance/estimate.ts'
import { openJudge } from '../../runtime/performance/outcomes.ts'
import type { Served, Store } from '../store/store.ts'
import { dayMs, hourMs } from '../telemetry/fold.ts'
import { type JoinedRows, readJoined } from './joined.ts'

export interface PerformanceQuery {
  endpoint: string
  /** Name of the value in outcomes; without it nothing is measured. */
  outcome?: string | undefined
  /** ms since 1970, on a whole window. */
  from: number
  to: number
  windowMs: number
}

export const level = 0.95

/** The newest window first; windows of which nothing is known are left out. */
export async function performanceOf(
  store: Store,
  served: readonly (Served & { spec: NonNullable<Served['spec']> })[],
  query: PerformanceQuery,
): Promise<PerformanceWindow[]> {
  const found: PerformanceWindow[] = []
  for (const each of served) found.push(...(await windowsOf(store, each, query)))
  return found.toSorted((a, b) => (a.from > b.from ? -1 : a.from < b.from ? 1 : a.deployment < b.deployment ? -1 : 1))
}

async function windowsOf(
  store: Store,
  { deployment, version, spec: { digest, spec } }: Served & { spec: NonNullable<Served['spec']> },
  query: PerformanceQuery,
): Promise<PerformanceWindow[]> {
  const { endpoint, outcome, from, to, windowMs } = query
  const placeOf = (at: string) => Math.floor((Date.parse(at) - from) / windowMs)
  const timeAt = (place: number) => new Date(from + place * windowMs).toISOString()
  const asked = { deployment, version, spec: digest, from: timeAt(0), to: new Date(to).toISOString() }
  const judge = openJudge(spec)
  const source = { deployment: { name: deployment, version }, spec: { digest, spec } }
  const joined: JoinedRows =
    outcome === undefined ? { rows: [] } : await readJoined(store, endpoint, outcome, source, asked)
  const measured = Map.groupBy(joined.rows, ({ at }) => placeOf(at))
  const scored = await scoresOf(store, endpoint, asked, spec, placeOf)
  const places = [...new Set([...measured.keys(), ...scored.keys()])]
  return places.flatMap((place): PerformanceWindow[] => {
    // A window of which only the end was read is no window.
    const isWhole = joined.since === undefined || timeAt(place) > joined.since
    const own = isWhole ? (measured.get(place) ?? []) : []
    const rows = own.map(({ cells, values }) => ({ cells, value: values[outcome ?? ''] ?? '' }))
    const told = rows.length > 0 ? judge?.summarize(rows, level) : undefined
    const expected = expectedOf(spec, scored.get(place))
    if (told === undefined && expected === undefined) return []
    return [
      {
        endpoint,
        deployment,
        version,
        spec: digest,
        from: timeAt(place),
        to: timeAt(place + 1),
        level,
        ...(told && { measured: told }),
        ...(expected && { estimated: expected }),
      },
    ]
  })
}

/** Cells of the score by window. */
async function scoresOf(
  store: Store,
  endpoint: string,
  asked: { deployment: string; version: number; spec: string; from: string; to: string },
  spec: ProfileSpec,
  placeOf: (at: string) => number,
): Promise<Map<number, number[]>> {
  const sums = new Map<number, number[]>()
  if (scoreOf(spec)?.positives === undefined) return sums
  // An hour's reports are in memory at a time.
  const kept = Date.parse(asked.to) - limits.telemetryPastMs - dayMs
  for (let at = Math.max(Date.parse(asked.from), kept); at < Date.parse(asked.to); at += hourMs) {
    const [since, until] = [at, Math.min(at + hourMs, Date.parse(asked.to))].map((ms) => new Date(ms).toISOString())
    for (const { window, outputs } of await store.telemetry.senderCounts(endpoint, asked, since ?? '', until)) {
      const sum = sums.get(placeOf(window))
      const own = outputs.score ?? []
      sums.set(placeOf(window), sum === undefined ? [...own] : sum.map((rows, i) => rows + (own[i] ?? 0)))
    }
    await othersTurn()
  }
  return sums
}

function expectedOf(spec: ProfileSpec, counts: readonly number[] | undefined) {
  const score = scoreOf(spec)
  return score && counts && estimate(score, counts, level)
}

function scoreOf({ outputs }: ProfileSpec) {
  const found = outputs.find(({ name }) => name === 'score')
  return found?.kind === 'numeric' ? found : undefined
}
