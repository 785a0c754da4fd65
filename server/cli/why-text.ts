/** What a monitor reports as tables, with the numbers from which its verdicts follow. */
import type { DriftReport, FeatureDrift } from '../../runtime/contract/monitor.ts'
import type { HealthReport, MonitorReport, PerformanceReport } from '../../runtime/contract/monitor-reports.ts'
import type { Performance } from '../../runtime/contract/performance.ts'
import { leading } from '../../runtime/drift/attribution.ts'
import { lackWords, promisesOf, signed, tens, verdictWords } from '../../runtime/drift/words.ts'
import { plain, renderTable } from './table.ts'

export function renderReport(report: MonitorReport): string {
  if ('rates' in report) return renderHealth(report)
  return 'metric' in report ? renderPerformance(report) : renderDrift(report)
}

function renderDrift(report: DriftReport): string {
  const { monitor, rows, senders, windows, from, clustering } = report
  const window = clustering === 'windows' ? monitor.block : monitor.window
  const head = [
    headOf(report),
    `monitor ${monitor.name}: ${monitor.signal}, ${windowsOf(windows, window)} since ${from}, season ${monitor.season}, alpha ${monitor.alpha}`,
    `${rows} rows of ${senders} senders`,
    ...promisesOf(report),
  ]
  return `${textOf(head)}\n${renderFeatures([...report.features, ...report.outputs])}`
}

function renderFeatures(features: readonly FeatureDrift[]): string {
  return renderTable(
    [
      { title: 'FEATURE' },
      { title: 'VERDICT' },
      { title: 'MOVED MOST' },
      { title: 'BY (SD)', align: 'right' },
      { title: 'LIMIT', align: 'right' },
      { title: 'EVIDENCE', align: 'right' },
      { title: 'NEEDS', align: 'right' },
      { title: 'PSI', align: 'right' },
      { title: 'KS', align: 'right' },
      { title: 'LACKS' },
    ],
    features.map((feature) => {
      const { name, verdict, logEvidence, logThreshold, effects, lack } = feature
      const most = leading(feature)
      return [
        name,
        verdictWords[verdict],
        most?.name ?? '',
        most === undefined ? '' : signed(most.mean, most.radius),
        most?.limit.toFixed(2) ?? '',
        `10^${tens(logEvidence)}`,
        `10^${tens(logThreshold)}`,
        effects?.psi.value.toFixed(3) ?? '',
        effects?.ks === undefined ? '' : `${effects.ks.low.toFixed(3)}–${effects.ks.high.toFixed(3)}`,
        lack === undefined ? '' : lackWords(lack),
      ]
    }),
  )
}

function renderPerformance(report: PerformanceReport): string {
  const { monitor, rows, windows, from, block, metric, verdict, baseline, loss, lack } = report
  const head = [
    headOf(report),
    `monitor ${monitor.name}: ${metric} by ${monitor.outcome}, ${windowsOf(windows, monitor.window)} since ${from}, season ${monitor.season}, alpha ${monitor.alpha}`,
    `${rows} units with an outcome, ${loss.rows} of them from ${block.from} to ${block.to}, against ${baseline.rows} rows of the baseline`,
  ]
  const table = renderTable(
    [
      { title: 'METRIC' },
      { title: 'VERDICT' },
      { title: 'LOSS THEN', align: 'right' },
      { title: 'WORSE BY (SD)', align: 'right' },
      { title: 'LIMIT', align: 'right' },
      { title: 'EVIDENCE', align: 'right' },
      { title: 'NEEDS', align: 'right' },
      { title: 'LACKS' },
    ],
    [
      [
        metric,
        verdictWords[verdict],
        baseline.mean.toFixed(3),
        signed(loss.mean, loss.radius),
        loss.limit.toFixed(2),
        `10^${tens(report.logEvidence)}`,
        `10^${tens(report.logThreshold)}`,
        lack === undefined ? '' : lackWords(lack),
      ],
    ],
  )
  const measured = renderMeasured(report.measured)
  return `${textOf(head)}\n${table}${measured === '' ? '' : `\n${measured}`}`
}

function renderMeasured({ binary, classes, regression }: Performance): string {
  const found = { ...binary, ...classes, ...regression }
  const estimates = {
    accuracy: found.accuracy,
    precision: found.precision,
    recall: found.recall,
    AUC: found.auc,
    'log loss': found.logLoss,
    MAE: found.mae,
    RMSE: found.rmse,
  }
  return renderTable(
    [{ title: 'MEASURED' }, { title: 'VALUE', align: 'right' }, { title: 'BETWEEN' }],
    Object.entries(estimates).flatMap(([name, estimate]) =>
      estimate === undefined
        ? []
        : [[name, estimate.value.toFixed(3), `${estimate.low.toFixed(3)} and ${estimate.high.toFixed(3)}`]],
    ),
  )
}

function renderHealth(report: HealthReport): string {
  const { monitor, from, at, rows, rates, errors } = report
  const head = [
    headOf(report),
    `monitor ${monitor.name}: health, ${from} to ${at}, alpha ${monitor.alpha}`,
    `${rows} requests`,
  ]
  const table = renderTable(
    [
      { title: 'RATE' },
      { title: 'VERDICT' },
      { title: 'REQUESTS', align: 'right' },
      { title: 'SHARE', align: 'right' },
      { title: 'BETWEEN' },
      { title: 'LIMIT', align: 'right' },
    ],
    rates.map(({ part, verdict, aboveMs, events, value, low, high, limit }) => [
      aboveMs === undefined ? part : `${part} above ${aboveMs} ms`,
      verdictWords[verdict],
      String(events),
      percent(value),
      `${percent(low)} and ${percent(high)}`,
      percent(limit),
    ]),
  )
  const codes = renderTable([{ title: 'CODE' }, { title: 'REQUESTS', align: 'right' }], byCount(errors))
  return `${textOf(head)}\n${table}${codes === '' ? '' : `\n${codes}`}`
}

function byCount(errors: HealthReport['errors']): string[][] {
  return Object.entries(errors)
    .toSorted(([, a], [, b]) => b - a)
    .map(([code, count]) => [code, String(count)])
}

function headOf({ endpoint, deployment, version, verdict }: MonitorReport): string {
  return `${endpoint}/${deployment}, version ${version}: ${verdictWords[verdict]}`
}

function windowsOf(windows: number, window: string): string {
  return `${windows} ${windows === 1 ? 'window' : 'windows'} of ${window}`
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${plain(line)}\n`).join('')
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}
