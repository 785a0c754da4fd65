/** Reports of monitors, whatever their signal: the parts that they judge, and each made again from its own numbers. */
import type { FeatureDrift, MonitorLook } from './contract/monitor.ts'
import type { MonitorReport } from './contract/monitor-reports.ts'
import { recompute } from './drift/report.ts'
import { SelvedgeError } from './errors.ts'
import { recomputeLoss } from './performance/loss.ts'
import { recomputeRates } from './performance/rates.ts'

/** As alarms name them: features and outputs, one of which may bear the other's name, the metric, or the rates. */
export function partsOf(report: MonitorReport): MonitorLook['parts'] {
  if ('rates' in report) return report.rates.map(({ part, verdict }) => ({ part, verdict }))
  if ('metric' in report) {
    const { metric, verdict, logEvidence, logThreshold } = report
    return [{ part: metric, verdict, logEvidence, logThreshold }]
  }
  const parts = (side: string, all: readonly FeatureDrift[]) =>
    all.map(({ name, verdict, logEvidence, logThreshold }) => {
      return { part: `${side}/${name}`, verdict, logEvidence, logThreshold }
    })
  return [...parts('features', report.features), ...parts('outputs', report.outputs)]
}

/**
 * The report made again from the numbers that it holds.
 *
 * @throws {@link SelvedgeError} `VERDICT_UNPROVEN` where its verdicts do not follow from them
 */
export function proven<Report extends MonitorReport>(report: Report): Report {
  const again = madeAgain(report)
  const told = partsOf(report)
  const wrong = partsOf(again).find(({ verdict }, i) => verdict !== told[i]?.verdict)
  if (wrong === undefined && again.verdict === report.verdict) return again as Report
  const name = wrong?.part ?? report.endpoint
  const said = told.find(({ part }) => part === wrong?.part)?.verdict ?? report.verdict
  const follows = wrong?.verdict ?? again.verdict
  throw new SelvedgeError('VERDICT_UNPROVEN', `"${name}": the registry says ${said}, its numbers ${follows}`, { name })
}

function madeAgain(report: MonitorReport): MonitorReport {
  if ('rates' in report) return recomputeRates(report)
  return 'metric' in report ? recomputeLoss(report) : recompute(report)
}
