/** Who counted the rows, and when: gaps are what was not seen. */
import { html } from 'hono/html'
import type { DriftDocument } from '../../runtime/contract/drift-document.ts'
import { formatCount, formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'

type Coverage = DriftDocument['coverage']

const minuteMs = 60_000
const [mostBars, height] = [120, 40]

export function coverageSection(coverage: Coverage): Html {
  const { windows, sources, from, to } = coverage
  if (windows.length === 0) {
    return html`<h2>Senders and coverage</h2><p>There are no reports of the day before ${formatTime(to)}; they are kept for seven days.</p>`
  }
  const minutes = Math.max(1, Math.ceil((Date.parse(to) - Date.parse(from)) / minuteMs))
  return html`<h2>Senders and coverage</h2>
<p class="dim">Reports since ${formatTime(from)}: rows in ${formatCount(windows.length)} of ${formatCount(minutes)} minutes.</p>
${barsOf(coverage, minutes)}
<div class="scroll" role="region" tabindex="0" aria-label="Sources"><table><caption>Where rows were scored</caption>
<thead><tr><th scope="col">Provider</th><th scope="col">Variant</th><th scope="col">Device</th><th scope="col">Told by</th><th scope="col" class="number">Rows</th><th scope="col" class="number">Senders</th></tr></thead>
<tbody>${sources.map(
    ({ provider, variant, device, tier, rows, senders }) =>
      html`<tr><th scope="row">${provider}</th><td>${variant}</td><td>${device}</td><td>${tier === 'page' ? 'page tokens' : 'hosts that are known'}</td><td class="number">${formatCount(rows)}</td><td class="number">${formatCount(senders)}</td></tr>`,
  )}</tbody></table></div>`
}

function barsOf({ windows, from, to }: Coverage, minutes: number): Html {
  const start = Date.parse(from)
  const step = Math.ceil(minutes / mostBars)
  const bars = Array.from({ length: Math.ceil(minutes / step) }, () => ({ rows: 0, senders: 0 }))
  for (const { window, rows, senders } of windows) {
    const bar = bars[Math.floor((Date.parse(window) - start) / minuteMs / step)]
    if (bar === undefined) continue
    bar.rows += rows
    bar.senders = Math.max(bar.senders, senders)
  }
  const most = Math.max(...bars.map(({ rows }) => rows), 1)
  const said = `Rows by ${step === 1 ? 'minute' : `${step} minutes`}: at most ${formatCount(most)}`
  const drawn = bars.map(({ rows, senders }, i) => {
    if (rows === 0) return ''
    const tall = Math.max(1, Math.round((rows / most) * height * 10) / 10)
    const at = formatTime(new Date(start + i * step * minuteMs).toISOString())
    return html`<rect class="now" x="${i + 0.08}" y="${height - tall}" width="0.84" height="${tall}"><title>${at}: ${formatCount(rows)} rows, ${formatCount(senders)} senders a minute</title></rect>`
  })
  return html`<figure><svg viewBox="0 0 ${bars.length} ${height}" preserveAspectRatio="none" role="img" aria-label="${said}"><line class="axis" x1="0" y1="${height}" x2="${bars.length}" y2="${height}"/>${drawn}</svg>
<p class="ends"><span>${formatTime(from)}</span><span>${formatTime(to)}</span></p><figcaption class="dim">${said}</figcaption></figure>`
}
