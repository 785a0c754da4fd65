/** A past span of time as a baseline: what a deployment counted in it, kept with the monitor. */
import type { Side } from '../store/days.ts'
import type { PastBaseline, Store } from '../store/store.ts'
import { type Part, partsOf } from '../telemetry/fold.ts'
import { countSpan } from './span.ts'
import { cellsOf, measureSpans } from './sums.ts'
import type { Baselined } from './watched.ts'

/** With fewer there is no telling what moved. */
const leastRows = 200

/** Undefined where the deployment counted too few rows then, or what it counted is gone. */
export async function pastBaseline(
  store: Store,
  endpoint: string,
  { deployment, spec: { digest, spec } }: Baselined,
  span: { from: string; to: string },
): Promise<PastBaseline | undefined> {
  const counted = { deployment: deployment.name, version: deployment.version, spec: digest }
  const asked = { endpoint, counted, from: Date.parse(span.from), until: Date.parse(span.to) }
  const parts = partsOf(spec)
  const [all] = await countSpan(store, asked, parts, 'together')
  if (all === undefined) return undefined
  const found: (Part & { rows: number; cells: number[] })[] = []
  for (const part of parts) {
    const spans = await all.spans(part.side, part.feature.name)
    const cells = cellsOf(spans, part.feature.counts.length)
    // Cells of rows that are alike because one sender sent them, divided by their design effect: evidence takes a baseline's
    // rows to be independent (evidence, section 9).
    const [leading] = measureSpans({ profile: part.feature, baseline: cells }, spans).measures
    const effect = leading?.designEffect ?? 1
    const rows = cells.reduce((sum, count) => sum + count, 0)
    found.push({ ...part, rows, cells: cells.map((count) => Math.round(count / effect)) })
  }
  if (!found.some(({ rows }) => rows >= leastRows)) return undefined
  const of = (side: Side) =>
    Object.fromEntries(found.filter((part) => part.side === side).map(({ feature, cells }) => [feature.name, cells]))
  return { ...counted, counts: { features: of('counts'), outputs: of('outputs') } }
}
