/** Seeded runs of one monitored feature: rows of senders that are alike within a sender, looked at window by window. */
import type { ProfileFeature } from '../../../runtime/contract/profile-spec.ts'
import { openClusters } from '../../../runtime/drift/clusters.ts'
import { logEvidence, openTrack, type Track } from '../../../runtime/drift/evidence.ts'
import { normalQuantile as normalAt } from '../../../runtime/drift/normal.ts'
import { openScores } from '../../../runtime/drift/scores.ts'
import { openTimeTrack } from '../../../runtime/drift/time-blocks.ts'
import { blocks, logThreshold } from '../../../runtime/drift/verdict.ts'

export interface Cell {
  kind: 'numeric' | 'categorical' | 'tied'
  /** Correlation of two rows of one sender. */
  correlation: number
  baselineRows: number
  /** In each window, spread evenly over the senders. */
  rows: number
  senders: number
  looks: number
  /** Windows in a day: how long a sender lives. */
  dayWindows: number
  /** In standard deviations, from `changeAt` on. */
  shift: number
  changeAt: number
}

export const nullCell: Cell = {
  kind: 'numeric',
  correlation: 0,
  baselineRows: 1000,
  rows: 50,
  senders: 10,
  looks: 200,
  dayWindows: 1,
  shift: 0,
  changeAt: 0,
}

/** Shares of a categorical feature's levels, and where the tied one has its mass. */
const levels = [0.5, 0.2, 0.1, 0.08, 0.05, 0.04, 0.02, 0.008, 0.002]
const tiedMass = 0.6

/** One run, as the evidence has it after each look. */
export function simulate(cell: Cell, seed: number): Track {
  const random = openRandom(seed)
  const { feature, cellOf } = drawBaseline(cell, random)
  const scores = openScores(feature)
  const clusters = openClusters(scores.size)
  const track = openTrack(scores)
  const cells = feature.counts.length
  let effects: number[] = []
  for (let look = 0; look < cell.looks; look++) {
    const day = Math.floor(look / cell.dayWindows)
    if (look % cell.dayWindows === 0) {
      effects = Array.from({ length: cell.senders }, () => random.normal() * Math.sqrt(cell.correlation))
      clusters.close()
    }
    const shift = look >= cell.changeAt ? cell.shift : 0
    for (const [sender, effect] of effects.entries()) {
      const own =
        Math.floor(((sender + 1) * cell.rows) / cell.senders) - Math.floor((sender * cell.rows) / cell.senders)
      if (own === 0) continue
      const counts = new Array<number>(cells).fill(0)
      for (let row = 0; row < own; row++) {
        const place = cellOf(effect + Math.sqrt(1 - cell.correlation) * random.normal() + shift)
        counts[place] = (counts[place] ?? 0) + 1
      }
      clusters.add(`${day}/${sender}`, scores.merge(counts))
    }
    track.push(clusters.sums())
  }
  return track
}

/** One run of a server: rows are alike in time, as an autoregressive process with a memory of so many rows. */
export function simulateServer(cell: Cell & { memoryRows: number }, seed: number): Track {
  const random = openRandom(seed)
  const { feature, cellOf } = drawBaseline(cell, random)
  const scores = openScores(feature)
  const track = openTimeTrack(scores)
  const total = new Array<number>(feature.counts.length).fill(0)
  const keep = Math.exp(-1 / cell.memoryRows)
  let state = random.normal()
  for (let look = 0; look < cell.looks; look++) {
    const shift = look >= cell.changeAt ? cell.shift : 0
    for (let row = 0; row < cell.rows; row++) {
      state = keep * state + Math.sqrt(1 - keep * keep) * random.normal()
      const value = Math.sqrt(cell.correlation) * state + Math.sqrt(1 - cell.correlation) * random.normal()
      const place = cellOf(value + shift)
      total[place] = (total[place] ?? 0) + 1
    }
    track.push({ clusters: 1, counts: scores.merge(total), squares: [] })
  }
  return track
}

/** The first look at which the evidence passes the threshold for so many features, counted from 1; Infinity for none. */
export function firstAlarms(track: Track, features: readonly number[]): number[] {
  const found = features.map(() => Number.POSITIVE_INFINITY)
  for (let to = 1; to <= track.length; to++) {
    let most = Number.NEGATIVE_INFINITY
    for (const block of blocks({ seasonWindows: 1, isCut: false }, 0, to)) {
      const late = block.rule === 'late' ? logThreshold({ alpha: 1, features: 1 }, 'late') : 0
      most = Math.max(most, logEvidence(track.measure(block.from, block.to, 0)) - late)
    }
    for (const [i, count] of features.entries()) {
      if (found[i] === Number.POSITIVE_INFINITY && most >= Math.log(count / 0.05)) found[i] = to
    }
    if (found.every(Number.isFinite)) break
  }
  return found
}

/** Numbers that are the same for the same seed everywhere: sfc32 (Doty-Humphrey, PractRand), normal by the polar method. */
export function openRandom(seed: number): { uniform(): number; normal(): number } {
  let [a, b, c, count] = [0, seed >>> 0, Math.floor(seed / 2 ** 32) ^ 0x9e3779b9, 1]
  const next = () => {
    const sum = (((a + b) | 0) + count) | 0
    count = (count + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    return sum >>> 0
  }
  for (let i = 0; i < 15; i++) next()
  const uniform = () => (next() + 0.5) / 2 ** 32
  let spare: number | undefined
  const normal = () => {
    if (spare !== undefined) {
      const kept = spare
      spare = undefined
      return kept
    }
    for (;;) {
      const [x, y] = [2 * uniform() - 1, 2 * uniform() - 1]
      const square = x * x + y * y
      if (square >= 1 || square === 0) continue
      const factor = Math.sqrt((-2 * Math.log(square)) / square)
      spare = y * factor
      return x * factor
    }
  }
  return { uniform, normal }
}

interface Baseline {
  feature: ProfileFeature
  /** Place in the counts, by the latent normal value. */
  cellOf(value: number): number
}

function drawBaseline({ kind, baselineRows }: Cell, { normal }: { normal(): number }): Baseline {
  const sample = Float64Array.from({ length: baselineRows }, normal).sort()
  const at = (share: number) => sample[Math.min(baselineRows - 1, Math.floor(share * baselineRows))] ?? 0
  const countAll = (size: number, cellOf: (value: number) => number) => {
    const counts = new Array<number>(size).fill(0)
    for (const value of sample) counts[cellOf(value)] = (counts[cellOf(value)] ?? 0) + 1
    return counts
  }
  if (kind === 'categorical') {
    // Fixed cuts of the normal: a level's share is that of the whole population.
    let below = 0
    const cuts = levels.slice(0, -1).map((share) => {
      below += share
      return normalAt(below)
    })
    const cellOf = (value: number) => placeIn(cuts, value)
    const values = levels.map((_, i) => `level ${i}`)
    return { feature: { name: 'x', kind, values, counts: countAll(levels.length + 3, cellOf) }, cellOf }
  }
  if (kind === 'tied') {
    // The lowest 60 % are one value, the rest is cut evenly.
    const floor = normalAt(tiedMass)
    const rest = sample.filter((value) => value >= floor)
    const edges = [...new Set([floor, ...[1, 2, 3].map((i) => rest[Math.floor((i * rest.length) / 4)] ?? floor)])]
    const point = edges.length + 1
    const cellOf = (value: number) => (value < floor ? point : placeIn(edges, value))
    const counts = countAll(edges.length + 6, cellOf)
    return { feature: { name: 'x', kind: 'numeric', edges, points: [floor - 1], counts }, cellOf }
  }
  const edges = [...new Set(Array.from({ length: 9 }, (_, i) => at((i + 1) / 10)))]
  const cellOf = (value: number) => placeIn(edges, value)
  return {
    feature: { name: 'x', kind: 'numeric', edges, points: [], counts: countAll(edges.length + 5, cellOf) },
    cellOf,
  }
}

function placeIn(edges: readonly number[], value: number): number {
  let place = 0
  while (place < edges.length && (edges[place] ?? 0) <= value) place++
  return place
}
