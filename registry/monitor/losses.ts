/** The report of a monitor of performance: outcomes since its life began, window by window, against the baseline's loss. */

import { durationMs, type Monitor, seasonMs } from '../../runtime/contract/monitor.ts'
import type { PerformanceReport } from '../../runtime/contract/monitor-reports.ts'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { decide } from '../../runtime/drift/verdict.ts'
import { lossOf, scoredCells } from '../../runtime/performance/classification.ts'
import { type Baseline, baselineOf, judgeLoss, lossSettings, openLossTrack } from '../../runtime/performance/loss.ts'
import { type Judge, type Metric, openJudge } from '../../runtime/performance/outcomes.ts'
import type { Joined } from '../store/joined.ts'
import type { Store } from '../store/store.ts'
import { firstWindow } from './drift.ts'
import { level, mostOutcomes } from './performance.ts'
import type { Baselined } from './watched.ts'

export interface Judged {
  judge: Judge
  metric: Metric
  baseline: Baseline
  /** Name of the value in outcomes. */
  outcome: string
}

/** What a monitor of performance needs to work on a deployment, or why it cannot. */
export async function judgedBy(
  store: Store,
  endpoint: string,
  monitor: Omit<Monitor, 'name'>,
  deployed: Baselined,
): Promise<Judged | { why: string }> {
  const { deployment, spec } = deployed
  const judge = openJudge(spec.spec)
  const { outcome } = monitor
  if (outcome === undefined) return { why: 'it names no outcome' }
  if (judge === undefined) return { why: `deployment ${deployment.name} has no outputs that outcomes could tell of` }
  const metric = monitor.metric ?? judge.metrics[0]
  if (metric === undefined || !judge.metrics.includes(metric)) {
    return { why: `deployment ${deployment.name} has no ${metric}, but ${judge.metrics.join(' and ')}` }
  }
  const baseline =
    monitor.baseline === 'training'
      ? baselineOfSpec(spec.spec, metric)
      : baselineOf(
          (await joinedIn(store, endpoint, outcome, deployed, monitor.baseline)).flatMap((row) => {
            const loss = judge.loss(answered(row, outcome), metric)
            return loss === undefined ? [] : [{ loss, rows: 1 }]
          }),
        )
  if (baseline !== undefined) return { judge, metric, baseline, outcome }
  const where = monitor.baseline === 'training' ? 'the baseline' : 'that span'
  return { why: `${where} of deployment ${deployment.name} has no outcomes` }
}

/** @param at - ms since 1970 */
export async function performanceReport(
  store: Store,
  endpoint: string,
  monitor: Monitor,
  deployed: Baselined,
  { judge, metric, baseline, outcome }: Judged,
  at: number,
): Promise<PerformanceReport> {
  const { deployment, spec } = deployed
  const windowMs = durationMs(monitor.window)
  // Outcomes are kept.
  const first = firstWindow(monitor, Date.parse(deployment.createdAt), 0, at)
  const passed = (at - first.from) / windowMs
  const windows = Math.max(0, monitor.season === 'none' ? Math.ceil(passed) : Math.floor(passed))
  const timeAt = (place: number) => new Date(first.from + place * windowMs).toISOString()
  const span = { from: timeAt(0), to: new Date(at).toISOString() }
  const rows = await joinedIn(store, endpoint, outcome, deployed, span)
  const placed = rows.map((row) => ({ row, place: Math.floor((Date.parse(row.at) - first.from) / windowMs) }))
  const sums = Array.from({ length: windows }, () => ({ rows: 0, total: 0, squares: 0 }))
  for (const { row, place } of placed) {
    const loss = judge.loss(answered(row, outcome), metric)
    const window = sums[place]
    if (loss === undefined || window === undefined) continue
    const score = (loss - baseline.mean) / baseline.deviation
    window.rows++
    window.total += score
    window.squares += score * score
  }
  const seasonWindows = Math.max(1, seasonMs[monitor.season] / windowMs)
  const settings = { ...lossSettings(monitor, metric, baseline), seasonWindows, isCut: first.isCut }
  const { block, measures } = decide(openLossTrack(sums, baseline), settings)
  const [told] = measures
  if (told === undefined) throw new Error('a loss is one direction')
  const told2 = { from: timeAt(block.from), to: timeAt(block.to), rule: block.rule }
  const inBlock = placed.filter(({ place }) => place >= block.from && place < block.to)
  return {
    endpoint,
    monitor,
    deployment: deployment.name,
    version: deployment.version,
    spec: spec.digest,
    at: span.to,
    from: span.from,
    windows,
    rows: rows.length,
    metric,
    block: told2,
    baseline,
    ...judgeLoss(monitor, { metric, baseline, block: told2, loss: told }),
    measured: judge.summarize(
      inBlock.map(({ row }) => answered(row, outcome)),
      level,
    ),
  }
}

function answered({ cells, values }: Joined, outcome: string) {
  return { cells, value: values[outcome] ?? '' }
}

async function joinedIn(
  store: Store,
  endpoint: string,
  outcome: string,
  { deployment, spec }: Baselined,
  { from, to }: { from: string; to: string },
): Promise<Joined[]> {
  const asked = { deployment: deployment.name, version: deployment.version, spec: spec.digest, limit: mostOutcomes }
  const span = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
  return await store.outcomes.joined(endpoint, outcome, { ...asked, ...span })
}

/** Of the rows whose outcomes the baseline counted: two classes alone have them. */
function baselineOfSpec({ outputs }: ProfileSpec, metric: Metric): Baseline | undefined {
  const score = outputs.find(({ name }) => name === 'score')
  if (score?.kind !== 'numeric' || score.positives === undefined) return undefined
  const { counts, positives } = score
  const negatives = counts.map((rows, cell) => rows - (positives[cell] ?? 0))
  return baselineOf(
    scoredCells(score, { negatives, positives }).flatMap((cell) => {
      const lossAt = (isTrue: boolean) => {
        if (metric === 'log_loss') return lossOf(cell.value, isTrue)
        return cell.isPositive === isTrue ? 0 : 1
      }
      return [
        { loss: lossAt(true), rows: cell.positives },
        { loss: lossAt(false), rows: cell.negatives },
      ]
    }),
  )
}
