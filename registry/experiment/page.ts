/** The experiment page of an endpoint: what one deployment changes against another, metric by metric, without a script. */
import { html, raw } from 'hono/html'
import type { Experiment } from '../../runtime/contract/experiment.ts'
import { tens } from '../../runtime/drift/words.ts'
import { formatCount, formatShare, formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'
import type { ExperimentQuery } from './experiment.ts'
import { type Plot, plot } from './plot.ts'

export interface ExperimentDocument extends ExperimentQuery {
  deployments: string[]
  /** Names of all outcomes that hosts tell of. */
  told: string[]
  /** The one that the page is about; all where absent. */
  asked: string | undefined
  /** At least one; that of {@link noOutcome} tells of units alone. */
  experiments: Experiment[]
}

export const noOutcome = ''

type Interval = NonNullable<Experiment['effect']>['absolute']

/** Of the element that holds the numbers of the page. */
export const experimentDocumentId = 'selvedge-experiment'

export function experimentTitle({ endpoint, control, treatment }: ExperimentDocument): string {
  return `Experiment of ${endpoint}: ${treatment} against ${control}`
}

export function experimentNav({ endpoint, deployments, told, asked, ...query }: ExperimentDocument): Html {
  const held = { control: query.control, treatment: query.treatment, ...(asked !== undefined && { outcome: asked }) }
  const link = (changes: Record<string, string>, text: string, isCurrent: boolean) =>
    html`<a href="?${new URLSearchParams({ ...held, ...changes }).toString()}"${isCurrent ? html` aria-current="page"` : ''}>${text}</a> `
  const arms = deployments.flatMap((control) =>
    deployments.flatMap((treatment) => (control === treatment ? [] : [{ control, treatment }])),
  )
  const outcomes = told.map((outcome) => link({ outcome }, outcome, outcome === asked))
  return html`<nav class="pages" aria-label="Experiment pages"><span>${arms.slice(0, 12).map(({ control, treatment }) => link({ control, treatment }, `${treatment} against ${control}`, control === query.control && treatment === query.treatment))}</span>${told.length > 1 ? html` <span>Outcomes: ${outcomes}</span>` : ''} <a href="/endpoints/${endpoint}/drift">Drift</a> <a href="/api/v1/endpoints/${endpoint}/experiment.html?${new URLSearchParams(held).toString()}">Save as a file</a></nav>`
}

export function experimentPage(document: ExperimentDocument): Html {
  const { endpoint, control, treatment, experiments, alpha } = document
  const [first] = experiments
  const command = `selvedge experiment ${endpoint} --outcome ${first?.outcome || 'NAME'} --control ${control} --treatment ${treatment}`
  return html`<h1>${experimentTitle(document)}</h1>
${facts(document)}
${first?.sampleRatio.alarm ? html`<p class="warning"><strong>Units did not come in the shares of the split.</strong> Do not believe an effect before you know why.</p>` : ''}
${first === undefined || first.splits.length === 0 ? html`<p>${control} and ${treatment} never had traffic at once: <code>selvedge traffic ${endpoint} ${control}=50 ${treatment}=50</code> splits it.</p>` : first.outcome === noOutcome ? html`<p>No host has told an outcome of a unit yet: <code>outcome(result, { accepted: true })</code> in a page or in Node tells one.</p>` : experiments.map(metric)}
${first === undefined || first.splits.length === 0 ? '' : ratioSection(first)}
<p class="dim">Brackets hold at every look at once, in ${formatShare(1 - alpha)} of experiments, each outcome by itself. Splits are compared one by one and combined by the inverse of their variance, never pooled; whoever came in several counts as one. <code>${command}</code> says the same.</p>
<script type="application/json" id="${experimentDocumentId}">${raw(JSON.stringify(document).replaceAll('<', '\\u003c'))}</script>`
}

function facts({ control, treatment, from, to, alpha, experiments }: ExperimentDocument): Html {
  const [first] = experiments
  const units = first?.looks.at(-1)?.units
  const pairs: [string, string][] = [
    ['As of', formatTime(to)],
    ['Control', control],
    ['Treatment', treatment],
    ['Since', formatTime(first?.splits[0]?.from ?? from)],
    ['Level', `${formatShare(1 - alpha)} at every look`],
    ...(units
      ? [['Units', `${formatCount(units.control)} and ${formatCount(units.treatment)}`] as [string, string]]
      : []),
    ...(first?.isPart ? [['Read', 'a random part of the units'] as [string, string]] : []),
    ...(first?.olderSplits ? [['Left out', `${formatCount(first.olderSplits)} older splits`] as [string, string]] : []),
  ]
  return html`<dl class="facts">${pairs.map(([title, value]) => html`<div><dt>${title}</dt><dd>${value}</dd></div>`)}</dl>`
}

function metric(found: Experiment): Html {
  const { outcome, control, treatment, effect, looks } = found
  const points = (kind: 'absolute' | 'relative') =>
    looks.flatMap(({ at, effect: told }) => (told?.[kind] === undefined ? [] : [{ at, ...told[kind] }]))
  const absolute = points('absolute')
  const relative = points('relative')
  const plots: [string, Plot][] = [
    [
      `${treatment} less ${control}`,
      { points: absolute, text: signed, said: saidOf(outcome, effect?.absolute, signed) },
    ],
    [`as a share of ${control}`, { points: relative, text: percent, said: saidOf(outcome, effect?.relative, percent) }],
  ]
  return html`<section aria-labelledby="outcome-${outcome}"><h2 id="outcome-${outcome}">${outcome} ${verdict(effect?.absolute)}</h2>
<p>${effect === undefined ? 'No effect can be told yet: an arm has too few units.' : effectText(found)}</p>
<div class="cards">${plots.map(([title, each]) => (each.points.length === 0 ? '' : html`<figure class="card"><figcaption><strong>${title}</strong></figcaption>${plot(each)}</figure>`))}</div>
${splitTable(found)}</section>`
}

// Told by sign and word, too, where colours are not seen or not printed.
function verdict(interval: Interval | undefined): Html {
  if (interval !== undefined && interval.low > 0)
    return html`<span class="badge shown"><span aria-hidden="true">▲</span> higher</span>`
  if (interval !== undefined && interval.high < 0)
    return html`<span class="badge shown"><span aria-hidden="true">▼</span> lower</span>`
  return html`<span class="badge insufficient"><span aria-hidden="true">?</span> not told from 0</span>`
}

function effectText({ control, treatment, effect }: Experiment): string {
  if (effect === undefined) return ''
  const relative = effect.relative === undefined ? '' : `, ${intervalText(effect.relative, percent)} of ${control}`
  return `${treatment} less ${control}: ${intervalText(effect.absolute, signed)}${relative}.`
}

function saidOf(outcome: string, interval: Interval | undefined, text: (value: number) => string): string {
  return `Effect on ${outcome} from look to look, at last ${interval === undefined ? 'not told' : intervalText(interval, text)}`
}

function splitTable({ outcome, control, treatment, splits, effect }: Experiment): Html {
  const names = { control, treatment }
  const row = (side: 'control' | 'treatment', { shares, ...arms }: Experiment['splits'][number]) => {
    const { units, told, mean } = arms[side]
    return html`<td>${names[side]}</td><td class="number">${shares[side] / 10_000} %</td><td class="number">${formatCount(units)}</td><td class="number">${units === 0 ? '' : formatShare(told / units)}</td><td class="number">${mean === undefined ? '' : plain(mean)}</td>`
  }
  const rows = splits.map(
    (split) =>
      html`<tr><th scope="row" rowspan="2"><time datetime="${split.from}">${formatTime(split.from)}</time><small class="dim">revision ${split.revision}</small></th>${row('control', split)}${effectCells(split.effect, 2)}</tr><tr>${row('treatment', split)}</tr>`,
  )
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Splits of ${outcome}"><table><caption>Split by split; “told” is of how many of the units the outcome was told, of the others it counts as 0</caption>
<thead><tr><th scope="col">Since</th><th scope="col">Deployment</th><th scope="col" class="number">Share</th><th scope="col" class="number">Units</th><th scope="col" class="number">Told</th><th scope="col" class="number">Mean</th><th scope="col" class="number">Effect</th><th scope="col" class="number">Relative</th></tr></thead>
<tbody>${rows}<tr><th scope="row">Together</th><td colspan="5"></td>${effectCells(effect, 1)}</tr></tbody></table></div>`
}

function effectCells(effect: Experiment['effect'], rows: number): Html {
  const cell = (interval: Interval | undefined, text: (value: number) => string) =>
    interval === undefined
      ? html`<td class="number" rowspan="${rows}"></td>`
      : html`<td class="number" rowspan="${rows}">${text(interval.value)}<small>${text(interval.low)} to ${text(interval.high)}</small></td>`
  return html`${cell(effect?.absolute, signed)}${cell(effect?.relative, percent)}`
}

function ratioSection({ splits, looks, sampleRatio }: Experiment): Html {
  const { alarm, logEvidence, logThreshold } = sampleRatio
  const said = `Evidence ${power(logEvidence)} against the shares, an alarm needs ${power(logThreshold)}`
  const points = looks.map(({ at, logEvidence: evidence }) => ({ at, value: evidence }))
  const rows = splits.flatMap(({ from, shares: _, newUnits, ...rest }) => exposureRows({ from, newUnits, ...rest }))
  return html`<section aria-labelledby="units"><h2 id="units">Units and their shares ${alarm ? html`<span class="badge drift"><span aria-hidden="true">▲</span> alarm</span>` : html`<span class="badge no_drift"><span aria-hidden="true">✓</span> no alarm</span>`}</h2>
<div class="cards"><figure class="card"><figcaption><strong>Sample ratio</strong> <span class="dim">${said} (dashed)</span></figcaption>${plot({ points, said, limit: logThreshold, text: power })}</figure></div>
<div class="scroll" role="region" tabindex="0" aria-label="Exposures"><table><caption>Exposures: units that no earlier split had dealt, by deployment</caption>
<thead><tr><th scope="col">Since</th><th scope="col">Deployment</th><th scope="col" class="number">Units</th><th scope="col" class="number">Of all</th></tr></thead>
<tbody>${rows}</tbody></table></div></section>`
}

function exposureRows({ from, newUnits }: Pick<Experiment['splits'][number], 'from' | 'newUnits'>): Html[] {
  const all = Object.values(newUnits).reduce((sum, units) => sum + units, 0)
  return Object.entries(newUnits).map(
    ([deployment, units]) =>
      html`<tr><td><time datetime="${from}">${formatTime(from)}</time></td><th scope="row">${deployment}</th><td class="number">${formatCount(units)}</td><td class="number">${all === 0 ? '' : formatShare(units / all)}</td></tr>`,
  )
}

function intervalText({ value, low, high }: Interval, text: (value: number) => string): string {
  return `${text(value)} (${text(low)} to ${text(high)})`
}

/** @param log - natural */
function power(log: number): string {
  return `10^${tens(log)}`
}

function plain(value: number): string {
  return String(Number(value.toPrecision(3)))
}

function signed(value: number): string {
  return `${value > 0 ? '+' : ''}${plain(value)}`
}

function percent(value: number): string {
  return `${signed(100 * value)} %`
}
