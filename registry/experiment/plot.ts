/** Numbers from look to look, as a small SVG: a line, with the band that it lies in at every look. */
import { html } from 'hono/html'
import { formatTime } from '../console/format.ts'
import type { Html } from '../console/page.ts'

export interface Point {
  /** RFC 3339. */
  at: string
  value: number
  /** Of the band. */
  low?: number
  high?: number
}

export interface Plot {
  /** What it says in one sentence, for a reader without eyes for it. */
  said: string
  /** At least one, oldest first. */
  points: readonly Point[]
  /** A dashed line that the other is held against. */
  limit?: number
  text(value: number): string
}

const [width, height, side] = [600, 160, 6]

export function plot({ said, points, limit, text }: Plot): Html {
  const { bottom, top } = rangeOf(points, limit)
  const y = (value: number) =>
    round(height - ((Math.max(bottom, Math.min(top, value)) - bottom) / (top - bottom)) * height)
  const [from, to] = [Date.parse(points[0]?.at ?? ''), Date.parse(points.at(-1)?.at ?? '')]
  const x = (at: string) =>
    from === to ? width / 2 : round(side + ((Date.parse(at) - from) / (to - from)) * (width - 2 * side))
  const line = (of: (point: Point) => number) => points.map((point) => `${x(point.at)} ${y(of(point))}`).join('L')
  const low = ({ low, value }: Point) => low ?? value
  const high = ({ high, value }: Point) => high ?? value
  const back = points.toReversed().map((point) => `${x(point.at)} ${y(low(point))}`)
  const only = points.length === 1 ? points[0] : undefined
  const band = only ? `M${x(only.at)} ${y(high(only))}V${y(low(only))}` : `M${line(high)}L${back.join('L')}Z`
  const titles = points.map(
    (point) =>
      html`<path class="dot" d="M${x(point.at)} ${y(point.value)}h0"><title>${formatTime(point.at)}: ${text(point.value)}${point.low === undefined || point.high === undefined ? '' : ` (${text(point.low)} to ${text(point.high)})`}</title></path>`,
  )
  return html`<div class="plot"><p class="scale" aria-hidden="true"><span style="top:0">${text(top)}</span><span style="top:${round((y(0) / height) * 100)}%">${text(0)}</span><span style="top:100%">${text(bottom)}</span></p>
<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${said}"><path class="band${only ? ' only' : ''}" d="${band}"/><path class="zero" d="M0 ${y(0)}H${width}"/>${limit === undefined ? '' : html`<path class="need" d="M0 ${y(limit)}H${width}"/>`}<path class="told" d="M${line(({ value }) => value)}"/>${titles}</svg></div>
<p class="ends plot"><span>${formatTime(points[0]?.at ?? '')}</span>${only ? '' : html`<span>${formatTime(points.at(-1)?.at ?? '')}</span>`}</p>`
}

/** Zero is in it, with room on both sides, and of the band what the later half needs: at first it is as wide as nothing is. */
function rangeOf(points: readonly Point[], limit: number | undefined): { bottom: number; top: number } {
  const later = points.slice(Math.floor(points.length / 2))
  const ends = later.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value])
  const all = [0, ...(limit === undefined ? [] : [limit * 1.25]), ...ends]
  const [bottom, top] = [Math.min(...all), Math.max(...all)]
  const room = 0.2 * (top - bottom || 1)
  return { bottom: Math.min(bottom, -room), top: Math.max(top, room) }
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
