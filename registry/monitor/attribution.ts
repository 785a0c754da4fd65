/** Where the drift of a report comes from, by the reports of hosts in the windows that drift. */
import type { Attribution } from '../../runtime/contract/attribution.ts'
import { type DriftReport, durationMs, type FeatureDrift } from '../../runtime/contract/monitor.ts'
import type { ExecutionProvider } from '../../runtime/contract/names.ts'
import {
  attributeCauses,
  type Counted,
  explain,
  leading,
  type ProviderCounts,
} from '../../runtime/drift/attribution.ts'
import { meanOf, totalOf } from '../../runtime/drift/evidence.ts'
import { openScores, rowsOver } from '../../runtime/drift/scores.ts'
import { limits } from '../../runtime/limits.ts'
import type { SenderCounts } from '../store/days.ts'
import type { Store } from '../store/store.ts'
import { measureSums, sumsOf } from './sums.ts'

export async function attributionOf({ telemetry }: Store, report: DriftReport): Promise<Attribution> {
  const { endpoint, deployment, version, spec, at } = report
  const to = Date.parse(at)
  const oldest = to - limits.telemetryPastMs
  const counted = { deployment, version, spec }
  const all = await telemetry.senderCounts(
    endpoint,
    counted,
    new Date(Math.max(oldest, Date.parse(report.from))).toISOString(),
    at,
  )
  const drifting = [...report.features, ...report.outputs].filter(({ verdict }) => verdict === 'drift')
  const from = Math.max(oldest, ...drifting.map(({ block }) => Date.parse(block.from)))
  const rows = all.filter(({ window }) => Date.parse(window) >= from)
  const explained = report.outputs.filter(({ verdict }) => verdict === 'drift')
  return {
    endpoint,
    monitor: report.monitor.name,
    deployment,
    version,
    spec,
    from: new Date(from).toISOString(),
    to: at,
    ...attributeCauses(report, countProviders(report, rows)),
    explained: explained.map((output) => explain(output, report.features, seriesBy(report, all))),
  }
}

function countProviders(report: DriftReport, rows: readonly SenderCounts[]): ProviderCounts[] {
  const groups = Map.groupBy(rows, ({ provider }) => provider)
  const providers = [...groups.keys()].toSorted()
  const parts = (['features', 'outputs'] as const).flatMap((side) =>
    report[side].map((part) => ({
      side,
      part,
      sums: new Map([...groups].map(([own, of]) => [own, sumsOf(part.profile, side, of)])),
    })),
  )
  return providers.map((provider) => ({
    provider: provider as ExecutionProvider,
    rows: (groups.get(provider) ?? []).reduce((sum, row) => sum + row.rows, 0),
    parts: parts.map(({ side, part, sums }) => {
      const [own, others] = [true, false].map((isOwn) =>
        measureSums(
          part,
          [...sums].flatMap(([of, each]) => ((of === provider) === isOwn ? [each] : [])),
        ),
      )
      return { side, name: part.name, own: own ?? nothing, others: others ?? nothing }
    }),
  }))
}

const nothing: Counted = { measures: [], clusters: 0 }
/** Means of a part's leading direction, window by window. */
function seriesBy({ from, at, monitor, outputs }: DriftReport, rows: readonly SenderCounts[]) {
  const windowMs = durationMs(monitor.window)
  const start = Date.parse(from)
  const windows = Math.ceil((Date.parse(at) - start) / windowMs)
  return (part: FeatureDrift) => {
    const scores = openScores(part.profile, 'drift', part.baseline)
    const direction = scores.directions.find(({ name }) => name === leading(part)?.name)
    const side = outputs.includes(part) ? 'outputs' : 'counts'
    const sums = Array.from({ length: windows }, () => new Array<number>(scores.size).fill(0))
    for (const row of rows) {
      const sum = sums[Math.floor((Date.parse(row.window) - start) / windowMs)]
      const cells = row[side][part.name]
      if (sum === undefined || cells === undefined) continue
      for (const [place, count] of scores.merge(cells).entries()) sum[place] = (sum[place] ?? 0) + count
    }
    return sums.map((merged) => {
      if (direction === undefined) return { rows: 0, mean: 0 }
      const own = rowsOver(direction.over, merged, scores.bins)
      return { rows: own, mean: meanOf(direction, totalOf(direction.scores, merged), own) }
    })
  }
}
