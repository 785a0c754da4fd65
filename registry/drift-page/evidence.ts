/** Evidence of one feature from look to look, against what an alarm needs. */
import { html } from 'hono/html'
import type { MonitorLook } from '../../runtime/contract/monitor.ts'
import { tens } from '../../runtime/drift/words.ts'
import { formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'

/** Evidence in natural logarithms. */
interface Point {
  at: number
  evidence: number
  threshold: number
}

const [width, height, side] = [600, 90, 8]
/** Two powers of ten below 1 are told apart. */
const floor = -2 * Math.LN10

export function evidenceChart(looks: readonly MonitorLook[], part: string): Html {
  const points = pointsOf(looks, part)
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined) {
    return html`<p class="dim">There is no evidence without rows.</p>`
  }
  // A line that leaves the picture has passed what it needs in any case.
  const top = 2 * Math.max(...points.map(({ threshold }) => threshold))
  const y = (value: number) =>
    round(height - ((Math.max(floor, Math.min(top, value)) - floor) / (top - floor)) * height)
  const span = Math.max(1, last.at - first.at)
  const x = (at: number) => (first === last ? width / 2 : round(side + ((at - first.at) / span) * (width - 2 * side)))
  const line = (of: (point: Point) => number) =>
    points.map((point, i) => `${i === 0 ? 'M' : 'L'}${x(point.at)} ${y(of(point))}`).join('')
  const dots = points.length > 60 ? [] : points
  const said = `Evidence 10^${tens(last.evidence)} at the last of ${points.length} ${points.length === 1 ? 'look' : 'looks'}, an alarm needs 10^${tens(last.threshold)}`
  return html`<svg class="evidence" viewBox="0 -4 ${width} ${height + 8}" preserveAspectRatio="none" role="img" aria-label="${said}"><path class="zero" d="M0 ${y(0)}H${width}"/><path class="need" d="${points.length === 1 ? `M0 ${y(first.threshold)}H${width}` : line(({ threshold }) => threshold)}"/><path class="told" d="${line(({ evidence }) => evidence)}"/>${dots.map((point) => html`<path class="dot" d="M${x(point.at)} ${y(point.evidence)}h0"><title>${formatTime(new Date(point.at).toISOString())}: 10^${tens(point.evidence)} of 10^${tens(point.threshold)}</title></path>`)}</svg>
<p class="ends"><span>${formatTime(new Date(first.at).toISOString())}</span><span>${points.length > 1 ? formatTime(new Date(last.at).toISOString()) : ''}</span></p>
<p class="dim">${said} (dashed).</p>`
}

function pointsOf(looks: readonly MonitorLook[], part: string): Point[] {
  return looks.flatMap(({ at, parts }) => {
    const own = parts.find((each) => each.part === part)
    if (own?.logEvidence === undefined || own.logThreshold === undefined) return []
    return [{ at: Date.parse(at), evidence: own.logEvidence, threshold: own.logThreshold }]
  })
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
