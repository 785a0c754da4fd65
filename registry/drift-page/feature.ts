/** One feature or output of a drift report: its verdict, both distributions, brackets and evidence. */
import { html } from 'hono/html'
import type { FeatureDrift, MonitorLook } from '../../runtime/contract/monitor.ts'
import { lackWords } from '../../runtime/drift/words.ts'
import { chart } from '../console/chart.ts'
import { formatCount, formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'
import type { AlarmState } from '../store/looks.ts'
import { bracket, bracketText, byDistance, type Direction } from './bracket.ts'
import { evidenceChart } from './evidence.ts'
import { alarmText, badge } from './words.ts'

/** A feature or output with the name of its part in looks and alarms. */
export interface Part {
  side: 'features' | 'outputs'
  drift: FeatureDrift
}

const shownDirections = 4

/** Of looks and alarms. */
export function partName({ side, drift }: Part): string {
  return `${side}/${drift.name}`
}

export function featureCard(
  part: Part,
  looks: readonly MonitorLook[],
  unit: string,
  alarm: AlarmState | undefined,
): Html {
  const { side, drift } = part
  const { name, verdict, lack, block, clusters, directions } = drift
  const sorted = byDistance(directions)
  const rest = sorted.slice(shownDirections)
  return html`<article class="card" id="${side}-${name}">
<h3>${name} ${badge(verdict)}</h3>
${alarm?.state === 'alarm' ? html`<p>Alarm ${alarmText(alarm)}.</p>` : ''}
${lack ? html`<p>Still missing: ${lackWords(lack)}.</p>` : ''}
<p class="dim">Rests on ${formatTime(block.from)} to ${formatTime(block.to)}, ${formatCount(clusters)} ${unit}.</p>
${chart({ ...drift.profile, counts: drift.baseline ?? drift.profile.counts }, drift.counts)}
<h4>Moved by, in standard deviations</h4>
${brackets(sorted.slice(0, shownDirections))}
${rest.length > 0 ? html`<details><summary>${rest.length} more directions</summary>${brackets(rest)}</details>` : ''}
<h4>Evidence</h4>
${evidenceChart(looks, partName(part))}
${effectList(drift)}
</article>`
}

function brackets(directions: readonly Direction[]): Html {
  return html`<table class="brackets"><tbody>${directions.map(
    (direction) =>
      html`<tr><th scope="row">${direction.name}</th><td>${bracket(direction)}</td><td class="number">${bracketText(direction)}</td></tr>`,
  )}</tbody></table>`
}

function effectList({ effects }: FeatureDrift): Html | string {
  if (effects === undefined) return ''
  const { psi, jensenShannon, lInfinity, ks, wasserstein, overflow } = effects
  const values: [string, string][] = [
    ['PSI', psi.value.toFixed(3)],
    ['Jensen-Shannon', jensenShannon.toFixed(3)],
    ['L-infinity', lInfinity.toFixed(3)],
    ...(ks ? [['KS', `${ks.low.toFixed(3)} to ${ks.high.toFixed(3)}`] as [string, string]] : []),
    ...(wasserstein === undefined ? [] : [['Wasserstein', wasserstein.toPrecision(3)] as [string, string]]),
    ...(overflow
      ? [['below, above the baseline', `${percent(overflow.below)}, ${percent(overflow.above)}`] as [string, string]]
      : []),
  ]
  return html`<p class="dim">Sizes, which decide nothing: ${values.map(([name, value]) => `${name} ${value}`).join(' · ')}</p>`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
