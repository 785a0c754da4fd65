/** The report of a monitor of performance: outcomes since its life began, window by window, against the baseline's loss. */

import { durationMs, type Monitor, seasonMs } from '../../runtime/contract/monitor.ts'
import type { PerformanceReport } from '../../runtime/contract/monitor-reports.ts'
import type { ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { decide } from '../../runtime/drift/verdict.ts'
import { lossOf, scoredCells } from '../../runtime/performance/classification.ts'
import {
  type Baseline,
  baselineOf,
  judgeLoss,
  type LossSums,
  lossSettings,
  openLossTrack,
} from '../../runtime/performance/loss.ts'
import { type Judge, type Metric, openJudge } from '../../runtime/performance/outcomes.ts'
import type { Joined } from '../store/joined.ts'
import type { Store } from '../store/store.ts'
import { type FirstWindow, firstWindow } from './drift.ts'
import { readJoined } from './joined.ts'
import { level } from './performance.ts'
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
          (await readJoined(store, endpoint, outcome, deployed, inUtc(monitor.baseline))).rows.flatMap((row) => {
            const loss = judge.loss(answered(row, outcome), metric)
            return loss === undefined ? [] : [{ loss, rows: 1 }]
          }),
          worstOf(metric),
        )
  if (baseline !== undefined) return { judge, metric, baseline, outcome }
  const where = monitor.baseline === 'training' ? 'the baseline' : 'that span'
  return { why: `${where} of deployment ${deployment.name} has too few outcomes` }
}

/** @param at - ms since 1970 */
export async function performanceReport(
  store: Store,
  endpoint: string,
  monitor: Monitor,
  deployed: Baselined,
  judged: Judged,
  at: number,
): Promise<PerformanceReport> {
  const { deployment, spec } = deployed
  const { judge, metric, baseline, outcome } = judged
  const deployedAt = Date.parse(deployment.createdAt)
  const wanted = new Date(firstWindow(monitor, deployedAt, 0, at).from).toISOString()
  const to = new Date(at).toISOString()
  const { rows, since } = await readJoined(store, endpoint, outcome, deployed, { from: wanted, to })
  // Outcomes are kept; where they are too many, it begins where they were all read.
  const grid = gridOf(monitor, firstWindow(monitor, deployedAt, since === undefined ? 0 : Date.parse(since), at), at)
  const placed = rows.map((row) => ({ row, place: grid.placeOf(row.at) })).filter(({ place }) => place >= 0)
  const sums = sumsOf(placed, judged, grid.windows)
  const settings = { ...lossSettings(monitor, metric, baseline), ...grid }
  const { block: windows, measures } = decide(openLossTrack(sums, baseline), settings)
  const [loss] = measures
  if (loss === undefined) throw new Error('a loss is one direction')
  const block = { from: grid.timeAt(windows.from), to: grid.timeAt(windows.to), rule: windows.rule }
  const tested = placed.filter(({ place }) => place >= windows.from && place < windows.to)
  return {
    endpoint,
    monitor,
    deployment: deployment.name,
    version: deployment.version,
    spec: spec.digest,
    at: to,
    from: grid.timeAt(0),
    windows: grid.windows,
    rows: placed.length,
    metric,
    block,
    baseline,
    ...judgeLoss(monitor, { metric, baseline, block, loss }),
    measured: judge.summarize(
      tested.map(({ row }) => answered(row, outcome)),
      level,
    ),
  }
}

// As for drift, the window that runs now counts unless there are seasons.
function gridOf({ window, season }: Monitor, { from, isCut }: FirstWindow, at: number) {
  const windowMs = durationMs(window)
  const passed = (at - from) / windowMs
  return {
    windows: Math.max(0, season === 'none' ? Math.ceil(passed) : Math.floor(passed)),
    seasonWindows: Math.max(1, seasonMs[season] / windowMs),
    isCut,
    timeAt: (place: number) => new Date(from + place * windowMs).toISOString(),
    placeOf: (time: string) => Math.floor((Date.parse(time) - from) / windowMs),
  }
}

function sumsOf(
  placed: readonly { row: Joined; place: number }[],
  { judge, metric, baseline, outcome }: Judged,
  windows: number,
): LossSums[] {
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
  return sums
}

function answered({ cells, values }: Joined, outcome: string) {
  return { cells, value: values[outcome] ?? '' }
}

// One spelling of a moment, since text is what is compared.
function inUtc({ from, to }: { from: string; to: string }): { from: string; to: string } {
  return { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
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
    worstOf(metric),
  )
}

function worstOf(metric: Metric): number {
  return metric === 'accuracy' ? 1 : 0
}
