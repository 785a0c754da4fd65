/**
 * The 95th percentile through a histogram with wide cells: how many of green's requests are above an edge, against how many
 * of blue's would be, if each took `ratio` times as long.
 */
import { latencyEdgesMs } from '../contract/telemetry.ts'
import { normalQuantile } from '../drift/normal.ts'
import { upperTail } from './normal.ts'

export interface Tail {
  /** In ms. */
  edge: number
  /** Of the last cell below the edge. */
  place: number
  /** By cell, the share of its requests that count as above. */
  blueShare: readonly number[]
  /** What green's share above may be more by: only where blue's own is under 5 %. */
  margin: number
}

const tailShare = 0.05

/** @param blue - requests by cell */
export function tailOf(blue: readonly number[], ratio: number): Tail {
  const places = latencyEdgesMs.map((_, place) => place)
  // The last edge that 5 % of blue's requests would be above: the one next to their 95th percentile times the ratio.
  const place = places.findLast((each) => shareAbove(blue, each, ratio) >= tailShare) ?? 0
  const { cell, part } = cutOf(blue, place, ratio)
  const blueShare = blue.map((_, each) => (each > cell ? 1 : each === cell ? part : 0))
  const margin = Math.max(0, tailShare - shareAbove(blue, place, ratio))
  return { edge: latencyEdgesMs[place] ?? 0, place, blueShare, margin }
}

function shareAbove(blue: readonly number[], place: number, ratio: number): number {
  const { cell, part } = cutOf(blue, place, ratio)
  const total = sum(blue)
  return total === 0 ? 0 : (sum(blue.slice(cell + 1)) + part * (blue[cell] ?? 0)) / total
}

/** The cell in which `edge / ratio` lies, and the share of its requests above that. */
function cutOf(blue: readonly number[], place: number, ratio: number): { cell: number; part: number } {
  const at = (latencyEdgesMs[place] ?? 0) / ratio
  const cell = latencyEdgesMs.findIndex((edge) => at < edge)
  const [low, high] = [latencyEdgesMs[cell - 1], latencyEdgesMs[cell]]
  if (low === undefined || high === undefined) return { cell, part: 1 }
  const total = sum(blue)
  const within = blue[cell] ?? 0
  const above = sum(blue.slice(cell + 1))
  const along = Math.log(at / low) / Math.log(high / low)
  if (within === 0) return { cell, part: 0 }
  // As a logarithmic normal distribution has it between the two edges, where both sides have requests.
  if (above === 0 || above + within === total) return { cell, part: 1 - along }
  const quantile = (share: number) => normalQuantile(Math.min(1 - 1e-9, Math.max(1e-9, share)))
  const [atLow, atHigh] = [quantile((above + within) / total), quantile(above / total)]
  return { cell, part: (upperTail(-atLow - along * (atHigh - atLow)) * total - above) / within }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
