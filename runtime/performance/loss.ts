/**
 * Whether answers got worse than those of the baseline, by the evidence that drift goes by (`drift/evidence.ts`): one
 * direction, the loss of a row in standard deviations of the baseline, and every row its own cluster.
 */

import type { Monitor, MonitorBody } from '../contract/monitor.ts'
import type { PerformanceReport } from '../contract/monitor-reports.ts'
import { logEvidence, type Told } from '../drift/evidence.ts'
import { findLack, judge, limitOf, logThreshold, radiusOf, type Settings, type Track } from '../drift/verdict.ts'
import type { Metric } from './outcomes.ts'

export type Baseline = PerformanceReport['baseline']

/** Of one window, in standard deviations from the baseline's mean. */
export interface LossSums {
  rows: number
  total: number
  squares: number
}

/** Rows of the worst loss that are added to the baseline. */
const worstRows = 2

/**
 * Mean and spread of the baseline's losses, with two rows of the worst one added: of what is rare, a small baseline may by
 * chance hold so little that all rows after it look worse. With 200 rows of which 2 in 100 are wrong, that raised false
 * alarms in 5 to 18 % of monitors, by seed; with the two rows in none of 200. Undefined of fewer than 200 rows.
 *
 * @param worst - that a row can have, where that is known
 */
export function baselineOf(losses: readonly { loss: number; rows: number }[], worst = 0): Baseline | undefined {
  const known = losses.filter(({ rows }) => rows > 0)
  const rows = known.reduce((total, each) => total + each.rows, 0)
  if (rows < leastRows) return undefined
  const all = [...known, { loss: known.reduce((most, { loss }) => Math.max(most, loss), worst), rows: worstRows }]
  const average = (of: (loss: number) => number) =>
    all.reduce((total, each) => total + of(each.loss) * each.rows, 0) / (rows + worstRows)
  const mean = average((loss) => loss)
  const variance = average((loss) => (loss - mean) ** 2)
  // Where all losses are one number, any other is far from it.
  return { mean, deviation: Math.sqrt(Math.max(variance, 1e-12)), rows }
}

/** With fewer there is no telling what is worse. */
const leastRows = 200

export function openLossTrack(windows: readonly LossSums[], baseline: Baseline): Track {
  const ends: LossSums[] = [{ rows: 0, total: 0, squares: 0 }]
  for (const { rows, total, squares } of windows) {
    const last = ends.at(-1) ?? { rows: 0, total: 0, squares: 0 }
    ends.push({ rows: last.rows + rows, total: last.total + total, squares: last.squares + squares })
  }
  const between = (from: number, to: number, of: keyof LossSums) => (ends[to]?.[of] ?? 0) - (ends[from]?.[of] ?? 0)
  return {
    length: windows.length,
    clusters: (from, to) => between(from, to, 'rows'),
    measure(from, to, start) {
      const rows = between(from, to, 'rows')
      const since = between(start, to, 'rows')
      const designEffect = since === 0 ? 1 : Math.max(1, between(start, to, 'squares') / since)
      const sums = { rows, total: between(from, to, 'total') }
      const variance = Math.max(between(from, to, 'squares'), rows * designEffect)
      return [toldOf(sums, { variance, designEffect }, baseline)]
    },
  }
}

/** How a monitor judges a loss: its limit is in the unit of the metric. */
export function lossSettings(
  { alpha, limits }: Pick<MonitorBody, 'alpha' | 'limits'>,
  metric: Metric,
  baseline: Baseline,
): Pick<Settings, 'alpha' | 'features' | 'limits' | 'clustering'> {
  const missing = metric === 'mae' ? limits.loss * baseline.mean : limits.loss
  return { alpha, features: 1, limits: { location: limits.location, missing }, clustering: 'units' }
}

/** What cannot be made again from the other numbers. */
export interface LossFacts {
  metric: Metric
  baseline: Baseline
  block: PerformanceReport['block']
  /** Standard deviations; a mean that is better than the baseline is 0. */
  loss: Pick<PerformanceReport['loss'], 'rows' | 'mean' | 'variance' | 'designEffect'>
}

type Judged = Pick<PerformanceReport, 'verdict' | 'lack' | 'loss' | 'logEvidence' | 'logThreshold'>

export function judgeLoss(monitor: Pick<Monitor, 'alpha' | 'limits'>, facts: LossFacts): Judged {
  const { metric, baseline, block, loss } = facts
  const settings = lossSettings(monitor, metric, baseline)
  const told = toldOf({ rows: loss.rows, total: loss.mean * loss.rows }, loss, baseline)
  const measured = { measures: [told], clusters: loss.rows, rule: block.rule }
  const { verdict } = judge(measured, settings)
  const radius = radiusOf(told, settings)
  return {
    verdict,
    ...(verdict === 'insufficient' && { lack: findLack(measured, settings) }),
    loss: {
      name: metric,
      weight: 1,
      rows: told.rows,
      baselineRows: told.baselineRows,
      mean: told.mean,
      ...(Number.isFinite(radius) && { radius }),
      limit: limitOf(told.direction, settings.limits),
      variance: told.variance,
      designEffect: told.designEffect,
    },
    logEvidence: logEvidence([told]),
    logThreshold: logThreshold(settings, block.rule),
  }
}

/** The same report again, from the sums that it holds: equal where it says what its numbers say. */
export function recomputeLoss(report: PerformanceReport): PerformanceReport {
  const { lack: _, ...rest } = report
  return { ...rest, ...judgeLoss(report.monitor, report) }
}

function toldOf(
  { rows, total }: Pick<LossSums, 'rows' | 'total'>,
  spread: Pick<Told, 'variance' | 'designEffect'>,
  baseline: Baseline,
): Told {
  return {
    direction: { name: 'loss', weight: 1, deviation: baseline.deviation },
    rows,
    baselineRows: baseline.rows,
    mean: rows === 0 ? 0 : Math.max(0, total / rows),
    variance: spread.variance,
    designEffect: spread.designEffect,
  }
}
