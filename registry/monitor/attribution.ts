/** Where the drift of a report comes from, by what each execution provider counted in the windows that drift. */
import type { Attribution } from '../../runtime/contract/attribution.ts'
import { type DriftReport, durationMs, type FeatureDrift } from '../../runtime/contract/monitor.ts'
import type { ExecutionProvider } from '../../runtime/contract/names.ts'
import { attributeCauses, explain, leading, type ProviderCounts, type Series } from '../../runtime/drift/attribution.ts'
import { meanOf, totalOf } from '../../runtime/drift/evidence.ts'
import { openScores, rowsOver } from '../../runtime/drift/scores.ts'
import type { Span } from '../store/days.ts'
import type { Store } from '../store/store.ts'
import { observe } from './observe.ts'
import { countSpan } from './span.ts'
import { cellsOf, measureSpans } from './sums.ts'

export async function attributionOf(store: Store, report: DriftReport): Promise<Attribution> {
  const { endpoint, deployment, version, spec, at } = report
  const drifting = partsOf(report).filter(({ drift }) => drift.verdict === 'drift')
  const from = Math.max(Date.parse(report.from), ...drifting.map(({ drift }) => Date.parse(drift.block.from)))
  const explained = report.outputs.filter(({ verdict }) => verdict === 'drift')
  const series = explained.length === 0 ? new Map<FeatureDrift, Series>() : await seriesOf(store, report)
  return {
    endpoint,
    monitor: report.monitor.name,
    deployment,
    version,
    spec,
    from: new Date(from).toISOString(),
    to: at,
    ...attributeCauses(report, await countProviders(store, report, from)),
    explained: explained.map((output) => explain(output, report.features, (part) => series.get(part) ?? [])),
  }
}

interface Reported {
  side: 'features' | 'outputs'
  drift: FeatureDrift
}

function partsOf({ features, outputs }: DriftReport): Reported[] {
  return [
    ...features.map((drift): Reported => ({ side: 'features', drift })),
    ...outputs.map((drift): Reported => ({ side: 'outputs', drift })),
  ]
}

function signalOf({ monitor }: DriftReport): 'drift' | 'quality' {
  return monitor.signal === 'quality' ? 'quality' : 'drift'
}

const sides = { features: 'counts', outputs: 'outputs' } as const

async function countProviders(store: Store, report: DriftReport, from: number): Promise<ProviderCounts[]> {
  const { endpoint, deployment, version, spec, at } = report
  const spanned = { endpoint, counted: { deployment, version, spec }, from, until: Date.parse(at) }
  const parts = partsOf(report)
  const signal = signalOf(report)
  const counted = parts.map(({ side, drift }) => ({ side: sides[side], feature: drift.profile }))
  const sources = await countSpan(store, spanned, counted, 'source')
  const groups = Map.groupBy(sources, ({ source }) => source?.provider ?? '')
  const found = [...groups.keys()].toSorted().map((provider) => ({
    provider: provider as ExecutionProvider,
    rows: 0,
    parts: [] as ProviderCounts['parts'][number][],
  }))
  for (const { side, drift } of parts) {
    const spans = new Map<string, Span[]>()
    for (const [provider, of] of groups) {
      const own = await Promise.all(of.map((source) => source.spans(sides[side], drift.name)))
      spans.set(provider, own.flat())
    }
    for (const each of found) {
      const own = spans.get(each.provider) ?? []
      const others = [...spans].flatMap(([provider, of]) => (provider === each.provider ? [] : of))
      const [measured, beside] = [own, others].map((of) => measureSpans(drift, of, signal))
      if (measured && beside) each.parts.push({ side, name: drift.name, own: measured, others: beside })
      // Each row is in one cell of every part.
      each.rows = cellsOf(own, drift.profile.counts.length).reduce((sum, count) => sum + count, 0)
    }
  }
  return found.filter(({ rows }) => rows > 0)
}

/** Means of each part's leading direction, window by window, as far back as the report goes. */
async function seriesOf(store: Store, report: DriftReport): Promise<Map<FeatureDrift, Series>> {
  const { endpoint, deployment, version, spec: digest, monitor, clustering } = report
  const served = await store.endpoints.served(endpoint)
  const spec = served.find((each) => each.spec?.digest === digest)?.spec?.spec
  if (spec === undefined) return new Map()
  const [from, at] = [Date.parse(report.from), Date.parse(report.at)]
  const counted = { deployment, version, spec: digest }
  const { days } = await observe(store, { endpoint, counted, spec, monitor, deployedAt: from, at })
  const windowMs = durationMs(clustering === 'windows' ? monitor.block : monitor.window)
  const windows = Math.ceil((at - from) / windowMs)
  const counts = await Promise.all(days.map((each) => each.count(windowMs)))
  const found = new Map<FeatureDrift, Series>()
  for (const { side, drift } of partsOf(report)) {
    const spans = await Promise.all(counts.map((each) => each.spans(sides[side], drift.name)))
    found.set(drift, seriesIn(drift, spans.flat(), { signal: signalOf(report), from, windowMs, windows }))
  }
  return found
}

function seriesIn(
  part: FeatureDrift,
  spans: readonly Span[],
  { signal, from, windowMs, windows }: { signal: 'drift' | 'quality'; from: number; windowMs: number; windows: number },
): Series {
  const scores = openScores(part.profile, signal, part.baseline)
  const direction = scores.directions.find(({ name }) => name === leading(part)?.name)
  const sums = Array.from({ length: windows }, () => new Array<number>(scores.size).fill(0))
  for (const { at, cells } of spans) {
    const sum = sums[Math.floor((at - from) / windowMs)]
    if (sum === undefined) continue
    for (const [place, count] of scores.merge(cells).entries()) sum[place] = (sum[place] ?? 0) + count
  }
  return sums.map((merged) => {
    if (direction === undefined) return { rows: 0, mean: 0 }
    const rows = rowsOver(direction.over, merged, scores.bins)
    return { rows, mean: meanOf(direction, totalOf(direction.scores, merged), rows) }
  })
}
