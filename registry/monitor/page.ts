/** The drift page of an endpoint: verdicts, brackets against their limits and both distributions, without a script. */
import { html } from 'hono/html'
import type { DriftReport, FeatureDrift } from '../../runtime/contract/monitor.ts'
import { chart } from '../console/chart.ts'
import { formatCount, formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'

const words = { drift: 'drift', no_drift: 'no drift', insufficient: 'not enough to tell' }
const ranks = { drift: 0, insufficient: 1, no_drift: 2 }
const mostCharts = 100

export function driftPage(report: DriftReport): Html {
  const { endpoint, deployment, version, monitor, verdict, rows, senders, windows, from, at, clustering } = report
  const window = clustering === 'windows' ? monitor.block : monitor.window
  const all = [...report.features, ...report.outputs].toSorted((a, b) => ranks[a.verdict] - ranks[b.verdict])
  return html`<h1>Drift of ${endpoint}: ${words[verdict]}</h1>
<p class="dim">As of ${time(at)} · deployment ${deployment}, version ${version} · monitor ${monitor.name}, alpha ${monitor.alpha}, season ${monitor.season}</p>
<p>${formatCount(rows)} rows of ${formatCount(senders)} ${senders === 1 ? 'sender' : 'senders'} in ${formatCount(windows)} ${windows === 1 ? 'window' : 'windows'} of ${window} since ${time(from)}.${clustering === 'windows' ? ` They are of a few servers: the verdicts rest on the promise that rows ${window} apart are unrelated.` : ''}</p>
${verdictTable(all)}
<p class="dim">Evidence stands in powers of ten; there is an alarm from what it needs on, and drift where the mean is past its limit, too. <code>selvedge why ${endpoint} --monitor ${monitor.name}</code> makes each verdict again from the counts.</p>
<h2>Rows against the baseline</h2>
<p class="dim">Bars are the shares in the tested windows, the outline is the baseline.</p>
<div class="features">${all.slice(0, mostCharts).map((feature) => chart(feature.profile, feature.counts))}</div>
${all.length > mostCharts ? html`<p>${all.length - mostCharts} more are in <code>GET /api/v1/endpoints/${endpoint}/drift</code>.</p>` : ''}`
}

function verdictTable(features: readonly FeatureDrift[]): Html {
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Verdicts"><table><caption>Features and outputs, those that drift first</caption>
<thead><tr><th scope="col">Name</th><th scope="col">Verdict</th><th scope="col">Moved most</th><th scope="col">Standard deviations</th><th scope="col" class="number">Evidence</th><th scope="col" class="number">Needs</th><th scope="col" class="number">PSI</th><th scope="col" class="number">KS</th><th scope="col">Tested windows</th></tr></thead>
<tbody>${features.map(featureRow)}</tbody></table></div>`
}

function featureRow({
  name,
  verdict,
  lack,
  directions,
  logEvidence,
  logThreshold,
  effects,
  block,
}: FeatureDrift): Html {
  const most = directions.toSorted((a, b) => Math.abs(b.mean) / b.limit - Math.abs(a.mean) / a.limit)[0]
  const missing =
    lack && (lack.what === 'baseline rows' ? `a baseline of ${lack.count} rows` : `${lack.count} more ${lack.what}`)
  const ks = effects?.ks && `${effects.ks.low.toFixed(3)} to ${effects.ks.high.toFixed(3)}`
  return html`<tr><th scope="row">${name}</th><td>${words[verdict]}${missing ? html` <span class="dim">lacks ${missing}</span>` : ''}</td><td>${most?.name ?? ''}</td><td>${most === undefined ? '' : bracket(most)}</td><td class="number">${tens(logEvidence)}</td><td class="number">${tens(logThreshold)}</td><td class="number">${effects?.psi.value.toFixed(3) ?? ''}</td><td class="number">${ks ?? ''}</td><td>${time(block.from)} to ${time(block.to)}</td></tr>`
}

type Direction = FeatureDrift['directions'][number]

/** The mean in its bracket, between the limits on both sides. */
function bracket({ mean, radius, limit }: Direction): Html {
  const reach = Math.max(2 * limit, Math.abs(mean) + (radius ?? 0))
  const x = (value: number) => Math.round(500 + (value / reach) * 500)
  const low = Math.max(0, x(mean - (radius ?? reach)))
  const high = Math.min(1000, x(mean + (radius ?? reach)))
  const text = `${mean > 0 ? '+' : ''}${mean.toFixed(2)}${radius === undefined ? '' : ` ± ${radius.toFixed(2)}`}, limit ${limit.toFixed(2)}`
  return html`<svg class="split" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="${text}"><rect class="now" x="${low}" y="3" width="${Math.max(1, high - low)}" height="4" opacity="0.5"/><rect class="now" x="${x(mean) - 4}" y="1" width="8" height="8"/><path class="then" d="M${x(-limit)} 0V10M${x(limit)} 0V10"/></svg> ${text}`
}

function time(at: string): Html {
  return html`<time datetime="${at}">${formatTime(at)}</time>`
}

function tens(log: number): string {
  return (log / Math.LN10).toFixed(1)
}
