/** Counts of one feature against its baseline, as a small SVG: bars are now, the outline is the baseline. */
import { html } from 'hono/html'
import type { ProfileFeature } from '../../runtime/contract/profile-spec.ts'
import { numberCells, spansOf } from '../../runtime/drift/order.ts'
import { cellNames } from '../../runtime/telemetry/profile.ts'
import { formatCount, formatShare } from './format.ts'
import type { Html } from './page.ts'

const height = 40
/** Of a vocabulary; the others are one bar. */
const mostLevels = 100

interface Cell {
  name: string
  /** Share of the rows counted now, 0 to 1. */
  current: number
  /** Share of the baseline's rows. */
  baseline: number
}

/** @param counts - of the same cells as the feature's own */
export function chart(feature: ProfileFeature, counts: readonly number[]): Html {
  const rows = sum(counts)
  const cells = cellsOf(feature, counts)
  const most = Math.max(...cells.map(({ current, baseline }) => Math.max(current, baseline)), Number.MIN_VALUE)
  const y = (share: number) => round(height - (share / most) * (height - 2))
  const bars = cells.map(
    ({ name, current, baseline }, i) =>
      html`<rect class="now" x="${round(i + 0.08)}" y="${y(current)}" width="0.84" height="${round(height - y(current))}"><title>${name}: ${formatShare(current)} now, ${formatShare(baseline)} in the baseline</title></rect>`,
  )
  const outline = cells.map(({ baseline }, i) => `${i === 0 ? 'M0' : `L${i}`} ${y(baseline)}H${i + 1}`).join('')
  return html`<figure>
<svg viewBox="0 0 ${cells.length} ${height}" preserveAspectRatio="none" role="img" aria-label="${feature.name}: ${describe(cells)}">
<line class="axis" x1="0" y1="${height}" x2="${cells.length}" y2="${height}"/>${bars}<path class="then" d="${outline}"/></svg>
${ticks(feature)}<figcaption><strong>${feature.name}</strong> <span class="dim">${formatCount(rows)} counted · ${describe(cells)}</span></figcaption>
</figure>`
}

/** Values at the first, the middle and the last edge. */
function ticks(feature: ProfileFeature): Html | string {
  if (feature.kind !== 'numeric' || feature.edges.length < 3) return ''
  const { edges } = roundEdges(feature) as typeof feature
  const order = orderOf(feature)
  const shown = [0, Math.floor(edges.length / 2), edges.length - 1]
  // The bin of an edge begins there.
  const left = (edge: number) => round((order.indexOf(edge + 1) / order.length) * 100)
  return html`<p class="ticks" aria-hidden="true">${shown.map((i) => html`<span style="left:${left(i)}%">${edges[i]}</span>`)}</p>
`
}

function cellsOf(feature: ProfileFeature, counts: readonly number[]): Cell[] {
  const rows = sum(counts)
  const baselineRows = sum(feature.counts)
  const names = cellNames(roundEdges(feature))
  const cells = orderOf(feature).map((i) => ({
    name: names[i] ?? '',
    current: rows === 0 ? 0 : (counts[i] ?? 0) / rows,
    baseline: baselineRows === 0 ? 0 : (feature.counts[i] ?? 0) / baselineRows,
  }))
  return feature.kind === 'categorical' ? pooled(cells) : cells
}

/** Cells by value: a point stands where it lies among the bins. */
function orderOf(feature: ProfileFeature): number[] {
  const places = feature.counts.map((_, i) => i)
  if (feature.kind === 'categorical') return places
  const numbers = spansOf(feature).flatMap(({ bin, points }) => [
    ...(bin === undefined ? [] : [bin]),
    ...points.map(({ cell }) => cell),
  ])
  return [...numbers, ...places.slice(numberCells(feature))]
}

function pooled(cells: Cell[]): Cell[] {
  if (cells.length <= mostLevels) return cells
  const share = ({ current, baseline }: Cell) => Math.max(current, baseline)
  const shown = new Set(cells.toSorted((a, b) => share(b) - share(a)).slice(0, mostLevels - 1))
  const rest = cells.filter((cell) => !shown.has(cell))
  const total = (of: (cell: Cell) => number) => sum(rest.map(of))
  const others = { name: `${rest.length} others`, current: total((c) => c.current), baseline: total((c) => c.baseline) }
  return [...cells.filter((cell) => shown.has(cell)), others]
}

// Edges are float32 and named to the last digit; a caption wants four digits, or as many as tell its cells apart.
function roundEdges(feature: ProfileFeature): ProfileFeature {
  if (feature.kind === 'categorical') return feature
  const numbers = [...feature.edges, ...feature.points]
  const round = (digits: number) => (number: number) => Number(number.toPrecision(digits))
  const distinct = new Set(numbers).size
  let digits = 4
  while (digits < 9 && new Set(numbers.map(round(digits))).size < distinct) digits++
  return { ...feature, edges: feature.edges.map(round(digits)), points: feature.points.map(round(digits)) }
}

// What a reader without eyes for the bars wants to know first.
function describe(cells: readonly Cell[]): string {
  const [widest] = [...cells].sort((a, b) => Math.abs(b.current - b.baseline) - Math.abs(a.current - a.baseline))
  if (widest === undefined) return 'no cells'
  return `widest apart at “${widest.name}”: ${formatShare(widest.current)} now, ${formatShare(widest.baseline)} in the baseline`
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}

function round(number: number): number {
  return Math.round(number * 1000) / 1000
}
