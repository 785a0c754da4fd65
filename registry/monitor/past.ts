/** A past span of time as a baseline: what a deployment counted in it, kept with the monitor since reports are not kept. */
import type { ProfileFeature } from '../../runtime/contract/profile-spec.ts'
import type { SenderCounts } from '../store/days.ts'
import type { PastBaseline, Store } from '../store/store.ts'
import type { PastCounts } from './drift.ts'
import { measureSums, sumsOf } from './sums.ts'
import type { Baselined } from './watched.ts'

/** With fewer there is no telling what moved. */
const leastRows = 200

/** Undefined where the deployment counted too few rows then, or its reports are gone. */
export async function pastBaseline(
  store: Store,
  endpoint: string,
  { deployment, spec: { digest, spec } }: Baselined,
  span: { from: string; to: string },
): Promise<PastBaseline | undefined> {
  const counted = { deployment: deployment.name, version: deployment.version, spec: digest }
  const [from, to] = [new Date(span.from).toISOString(), new Date(span.to).toISOString()]
  const rows = await store.telemetry.senderCounts(endpoint, counted, from, to)
  if (rows.reduce((sum, row) => sum + row.rows, 0) < leastRows) return undefined
  const counts = (side: keyof PastCounts, all: readonly ProfileFeature[]) =>
    Object.fromEntries(all.map((feature) => [feature.name, independentRows(feature, side, rows)]))
  return {
    ...counted,
    counts: { features: counts('features', spec.features), outputs: counts('outputs', spec.outputs) },
  }
}

/**
 * Cells of a baseline whose rows are alike because one sender sent them, divided by their design effect: evidence takes a
 * baseline's rows to be independent (evidence, section 9).
 */
function independentRows(profile: ProfileFeature, side: keyof PastCounts, rows: readonly SenderCounts[]): number[] {
  const cells = new Array<number>(profile.counts.length).fill(0)
  for (const row of rows) {
    const own = row[side === 'features' ? 'counts' : 'outputs'][profile.name] ?? []
    for (let i = 0; i < own.length; i++) cells[i] = (cells[i] ?? 0) + (own[i] ?? 0)
  }
  const { measures } = measureSums({ profile, baseline: cells }, [sumsOf(profile, side, rows)])
  const [leading] = measures
  const effect = leading?.designEffect ?? 1
  return cells.map((count) => Math.round(count / effect))
}
