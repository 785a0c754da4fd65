/** A monitor of performance or of health as a page: its verdict and every number that it rests on. */
import { html } from 'hono/html'
import type { MonitorLook } from '../../runtime/contract/monitor.ts'
import type { HealthReport, PerformanceReport } from '../../runtime/contract/monitor-reports.ts'
import { lackWords, tens, verdictWords } from '../../runtime/drift/words.ts'
import { formatCount, formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'
import type { AlarmState } from '../store/looks.ts'
import { bracket, bracketText } from './bracket.ts'
import { evidenceChart } from './evidence.ts'
import { alarmOf, factList, looksUntilNow, others } from './page.ts'
import { measuredTable } from './performance.ts'
import { alarmText, badge } from './words.ts'

type SignalReport = PerformanceReport | HealthReport

/** What is kept of the monitors of the deployment. */
interface Kept {
  looks: readonly MonitorLook[]
  alarms: readonly AlarmState[]
}

export function signalTitle({ endpoint, monitor, verdict }: SignalReport): string {
  return `${monitor.signal === 'health' ? 'Health' : 'Performance'} of ${endpoint}: ${verdictWords[verdict]}`
}

export function signalPage(report: SignalReport, { looks, alarms }: Kept): Html {
  const { endpoint, deployment, monitor } = report
  const command = `selvedge why ${endpoint} --monitor ${monitor.name} --deployment ${deployment}`
  return html`<h1>${signalTitle(report)}</h1>
${'rates' in report ? health(report, alarms) : performance(report, { looks, alarms })}
<p class="dim"><code>${command}</code> makes each verdict again from these numbers.</p>
${others(report, alarms)}`
}

function health(report: HealthReport, alarms: Kept['alarms']): Html {
  const { rates, errors, rows, from, at } = report
  const codes = Object.entries(errors).toSorted(([, a], [, b]) => b - a)
  return html`${factList([...whose(report, alarms), ['Requests', formatCount(rows)], ['Window', `${formatTime(from)} to ${formatTime(at)}`]])}
<div class="scroll" role="region" tabindex="0" aria-label="Rates"><table><caption>Shares of requests; in all windows of a monitor’s life they lie between these bounds, but for a chance of alpha</caption>
<thead><tr><th scope="col">Requests that</th><th scope="col">Verdict</th><th scope="col" class="number">Count</th><th scope="col" class="number">Share</th><th scope="col" class="number">Between</th><th scope="col" class="number">Limit</th></tr></thead>
<tbody>${rates.map(
    ({ part, verdict, aboveMs, events, value, low, high, limit }) =>
      html`<tr><th scope="row">${part === 'errors' ? 'failed' : `took over ${aboveMs} ms`}</th><td>${badge(verdict)}</td><td class="number">${formatCount(events)}</td><td class="number">${percent(value)}</td><td class="number">${percent(low)} and ${percent(high)}</td><td class="number">${percent(limit)}</td></tr>`,
  )}</tbody></table></div>
${
  codes.length === 0
    ? ''
    : html`<div class="scroll" role="region" tabindex="0" aria-label="Codes"><table><caption>Codes that requests failed with</caption>
<thead><tr><th scope="col">Code</th><th scope="col" class="number">Requests</th></tr></thead>
<tbody>${codes.map(([code, count]) => html`<tr><th scope="row">${code}</th><td class="number">${formatCount(count)}</td></tr>`)}</tbody></table></div>`
}`
}

function performance(report: PerformanceReport, { looks, alarms }: Kept): Html {
  const { monitor, metric, verdict, lack, rows, windows, from, block, baseline, loss } = report
  const pairs: [string, string][] = [
    ...whose(report, alarms),
    ['Outcome', monitor.outcome ?? ''],
    ['Units with one', formatCount(rows)],
    ['Windows', `${formatCount(windows)} of ${monitor.window} since ${formatTime(from)}`],
    ['Baseline', `${formatCount(baseline.rows)} rows`],
  ]
  return html`${factList(pairs)}
<div class="scroll" role="region" tabindex="0" aria-label="Verdict"><table><caption>The loss of a row, such as 1 for a wrong class, against that of the baseline</caption>
<thead><tr><th scope="col">Metric</th><th scope="col">Verdict</th><th scope="col" class="number">Loss then</th><th scope="col">Worse by, in standard deviations</th><th scope="col" class="number">Evidence</th><th scope="col" class="number">Needs</th><th scope="col">Still missing</th></tr></thead>
<tbody><tr><th scope="row">${metric}</th><td>${badge(verdict)}</td><td class="number">${baseline.mean.toFixed(3)}</td><td>${bracket(loss)} <span class="number">${bracketText(loss)}</span></td><td class="number">${tens(report.logEvidence)}</td><td class="number">${tens(report.logThreshold)}</td><td>${lack ? lackWords(lack) : ''}</td></tr></tbody></table></div>
<p class="dim">Rests on ${formatCount(loss.rows)} units from ${formatTime(block.from)} to ${formatTime(block.to)}; each unit counts once a UTC day. Evidence stands in powers of ten.</p>
<h2>Evidence</h2>
${evidenceChart(looksUntilNow(report, looks), metric)}
${measuredTable(report.measured)}`
}

function whose(report: SignalReport, alarms: Kept['alarms']): [string, string][] {
  const { at, deployment, version, monitor } = report
  const alarm = alarmOf(report, alarms, '')
  return [
    ['As of', formatTime(at)],
    ['Deployment', `${deployment}, version ${version}`],
    ['Monitor', `${monitor.name}, alpha ${monitor.alpha}`],
    ...(alarm === undefined ? [] : [['Alarm', alarmText(alarm)] as [string, string]]),
  ]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}
