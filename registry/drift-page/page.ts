/** The drift page of an endpoint: what a monitor says and every number that it rests on, without a script. */
import { html, raw } from 'hono/html'
import { type DriftDocument, driftDocumentId } from '../../runtime/contract/drift-document.ts'
import type { DriftReport, MonitorLook } from '../../runtime/contract/monitor.ts'
import type { MonitorReport } from '../../runtime/contract/monitor-reports.ts'
import { clusterWords, lackWords, promisesOf, tens, verdictWords } from '../../runtime/drift/words.ts'
import { partsOf } from '../../runtime/monitor.ts'
import { formatCount, formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'
import type { AlarmState } from '../store/looks.ts'
import { bracket, bracketText, byDistance } from './bracket.ts'
import { coverageSection } from './coverage.ts'
import { featureCard, type Part, partName } from './feature.ts'
import { performanceSection } from './performance.ts'
import { alarmText, badge } from './words.ts'

const ranks = { drift: 0, insufficient: 1, no_drift: 2 }
const mostCards = 100

export function driftTitle({ endpoint, verdict }: DriftReport): string {
  return `Drift of ${endpoint}: ${verdictWords[verdict]}`
}

export function driftPage(document: DriftDocument): Html {
  const { report, coverage, performance } = document
  const { endpoint, deployment, monitor, clustering } = report
  const parts = byVerdict(report)
  const looks = looksUntilNow(report, document.looks)
  const command = `selvedge why ${endpoint} --monitor ${monitor.name} --deployment ${deployment}`
  return html`<h1>${driftTitle(report)}</h1>
${facts(document)}
${others(report, document.alarms)}
${causes(document)}
${verdictTable(parts)}
<p class="dim">Evidence stands in powers of ten. There is an alarm from what it needs on, and drift where the mean is past its limit, too; no drift where every bracket lies within its limits. <code>${command}</code> makes each verdict again from the counts.</p>
<h2>Features and outputs</h2>
<p class="dim">Bars are the shares in the tested windows, the outline is the baseline. A bracket is where the mean lies at every look with the monitor’s alpha; the band is within the limits.</p>
<div class="cards">${parts.slice(0, mostCards).map((part) => featureCard(part, looks, clusterWords[clustering], alarmOf(report, document.alarms, partName(part))))}</div>
${parts.length > mostCards ? html`<p>${parts.length - mostCards} more are in the numbers of this page, and in <code>GET /api/v1/endpoints/${endpoint}/drift</code>.</p>` : ''}
${coverageSection(coverage)}
${performanceSection(performance)}
<script type="application/json" id="${driftDocumentId}">${raw(JSON.stringify(document).replaceAll('<', '\\u003c'))}</script>`
}

/** Those that drift first. */
function byVerdict({ features, outputs }: DriftReport): Part[] {
  const all: Part[] = [
    ...features.map((drift): Part => ({ side: 'features', drift })),
    ...outputs.map((drift): Part => ({ side: 'outputs', drift })),
  ]
  return all.toSorted((a, b) => ranks[a.drift.verdict] - ranks[b.drift.verdict])
}

/** The report is the last look, unless nobody counted yet. */
export function looksUntilNow(report: MonitorReport, looks: readonly MonitorLook[]): readonly MonitorLook[] {
  const { endpoint, deployment, version, at, verdict, rows } = report
  const last = looks.at(-1)
  if (rows === 0 || (last !== undefined && last.at >= at)) return looks
  const monitor = report.monitor.name
  return [...looks, { endpoint, monitor, deployment, version, at, verdict, rows, parts: partsOf(report) }]
}

function facts(document: DriftDocument): Html {
  const { report } = document
  const { deployment, version, monitor, rows, senders, windows, from, at, clustering } = report
  const window = clustering === 'windows' ? monitor.block : monitor.window
  const season = { none: 'no season', day: 'whole days', week: 'whole weeks' }[monitor.season]
  const pairs: [string, string][] = [
    ['As of', formatTime(at)],
    ['Deployment', `${deployment}, version ${version}`],
    ['Monitor', `${monitor.name}: ${monitor.signal}, alpha ${monitor.alpha}, ${season}`],
    ['Rows', formatCount(rows)],
    ['Senders', formatCount(senders)],
    ['Windows', `${formatCount(windows)} of ${window} since ${formatTime(from)}`],
    ['Clusters', clusterWords[clustering]],
    ...whole(document),
  ]
  return html`${factList(pairs)}
<p>${promisesOf(report).join(' ')}</p>`
}

export function factList(pairs: readonly [string, string][]): Html {
  return html`<dl class="facts">${pairs.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

export function alarmOf(
  report: Pick<MonitorReport, 'monitor'>,
  alarms: readonly AlarmState[],
  part: string,
): AlarmState | undefined {
  return alarms.find((each) => each.monitor === report.monitor.name && each.part === part)
}

// Before its first look a monitor has no state.
function whole({ report, alarms }: DriftDocument): [string, string][] {
  const alarm = alarmOf(report, alarms, '')
  return alarm === undefined ? [] : [['Alarm', alarmText(alarm)]]
}

/** How other monitors of the deployment stand. */
export function others(report: Pick<MonitorReport, 'monitor'>, alarms: readonly AlarmState[]): Html | string {
  const found = alarms.filter(({ monitor, part }) => part === '' && monitor !== report.monitor.name)
  if (found.length === 0) return ''
  return html`<p>Alarms of other monitors: ${found.map((alarm) => `${alarm.monitor} ${alarmText(alarm)}`).join(', ')}.</p>`
}

const causeWords = {
  input: 'its inputs',
  version: 'the version: outputs drift for every provider, and no input does',
  provider: 'an execution provider, which gives other outputs on the same inputs',
}

function causes({ report, attribution }: DriftDocument): Html | string {
  if (report.verdict !== 'drift') return ''
  if (attribution === undefined) {
    return html`<p>Where it comes from, <code>GET /api/v1/endpoints/${report.endpoint}/attribution</code> tells: of so many reports it takes a while.</p>`
  }
  const { causes, providers, explained } = attribution
  const from = causes.map((cause) => causeWords[cause]).join('; ')
  const guilty = providers.filter(({ isCause }) => isCause).map(({ provider }) => provider)
  const ranked = explained.map(({ output, features, method }) => {
    const names = features.slice(0, 3).map(({ name }) => name)
    return names.length === 0 ? '' : `With ${output} go ${names.join(', ')} (${method}).`
  })
  return html`<p><strong>Where it comes from:</strong> ${from === '' ? 'nothing can be told yet' : from}${guilty.length > 0 ? ` (${guilty.join(', ')})` : ''}. ${ranked.join(' ')}</p>`
}

function verdictTable(parts: readonly Part[]): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Verdicts"><table><caption>Features and outputs, those that drift first</caption>
<thead><tr><th scope="col">Name</th><th scope="col">Verdict</th><th scope="col">Moved most</th><th scope="col">Standard deviations</th><th scope="col" class="number">Evidence</th><th scope="col" class="number">Needs</th><th scope="col">Still missing</th></tr></thead>
<tbody>${parts.map(partRow)}</tbody></table></div>`
}

function partRow({ side, drift: { name, verdict, lack, directions, logEvidence, logThreshold } }: Part): Html {
  const [most] = byDistance(directions)
  return html`<tr><th scope="row"><a href="#${side}-${name}">${name}</a></th><td>${badge(verdict)}</td><td>${most?.name ?? ''}</td><td>${most === undefined ? '' : html`${bracket(most)} <span class="number">${bracketText(most)}</span>`}</td><td class="number">${tens(logEvidence)}</td><td class="number">${tens(logThreshold)}</td><td>${lack ? lackWords(lack) : ''}</td></tr>`
}
