/** Seeded runs of one monitored feature: rows of senders that are alike within a sender, looked at window by window. */
import type { ProfileFeature } from '../../../runtime/contract/profile-spec.ts'
import { openClusters } from '../../../runtime/drift/clusters.ts'
import { logEvidence, openTrack, type Track } from '../../../runtime/drift/evidence.ts'
import { normalQuantile } from '../../../runtime/drift/normal.ts'
import { openScores } from '../../../runtime/drift/scores.ts'
import { openTimeTrack } from '../../../runtime/drift/time-blocks.ts'
import { blocks, logThreshold } from '../../../runtime/drift/verdict.ts'
import { normalOrderStatistics, normalShare, openRandom, type Random } from './random.ts'

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
  /** Windows over which the shift grows to its size; 0 for a jump. */
  rampWindows: number
  /** Windows of a shift that comes and goes, on and off in turn; 0 for one that stays. */
  onWindows: number
  /**
   * Deviations by which the rows of the busy senders lie above the rest: every tenth sender, who sends half of the rows. The
   * baseline has the same mix of rows.
   */
  busyShift: number
  /** Correlation of two features of a row, where several are simulated. */
  featureCorrelation: number
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
  rampWindows: 0,
  onWindows: 0,
  busyShift: 0,
  featureCorrelation: 0,
}

/** Shares of a categorical feature's levels, and where the tied one has its mass. */
const levels = [0.5, 0.2, 0.1, 0.08, 0.05, 0.04, 0.02, 0.008, 0.002]
const tiedMass = 0.6
/** Bins of equal mass: those that 64 are merged to. */
const bins = 10

export interface Baseline {
  feature: ProfileFeature
  /** Rising latent values at which the cell changes, and the cells, one more. */
  cuts: Float64Array
  cells: Int32Array
}

/** Told of every sender's rows in a window; `counts` is used again for the next. */
export type AddRows = (sender: number, day: number, counts: Int32Array) => void

/** One run, as the evidence has it after each look. */
export function simulate(cell: Cell, seed: number): Track {
  const random = openRandom(seed)
  const baseline = drawBaseline(cell, random)
  const scores = openScores(baseline.feature)
  const clusters = openClusters(scores.size)
  const track = openTrack(scores)
  let today = 0
  drawRows(cell, baseline, random, {
    add(sender, day, counts) {
      if (day !== today) clusters.close()
      today = day
      clusters.add(`${day}/${sender}`, scores.merge(Array.from(counts)))
    },
    addSingles(day, counts) {
      for (const [place, rows] of counts.entries()) {
        const single = scores.merge(Array.from(counts, (_, i) => (i === place ? 1 : 0)))
        for (let row = 0; row < rows; row++) clusters.add(`${day}/${place}/${row}`, single)
      }
      clusters.close()
    },
    end: () => track.push(clusters.sums()),
  })
  return track
}

/** One run of a server: rows are alike in time, as an autoregressive process with a memory of so many rows. */
export function simulateServer(cell: Cell & { memoryRows: number }, seed: number): Track {
  const random = openRandom(seed)
  const baseline = drawBaseline(cell, random)
  const placeOf = openPlaces(baseline)
  const scores = openScores(baseline.feature)
  const track = openTimeTrack(scores)
  const total = new Array<number>(baseline.feature.counts.length).fill(0)
  const keep = Math.exp(-1 / cell.memoryRows)
  let state = random.normal()
  for (let look = 0; look < cell.looks; look++) {
    const shift = shiftAt(cell, look)
    for (let row = 0; row < cell.rows; row++) {
      state = keep * state + Math.sqrt(1 - keep * keep) * random.normal()
      const value = Math.sqrt(cell.correlation) * state + Math.sqrt(1 - cell.correlation) * random.normal()
      const place = placeOf(value + shift)
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

export interface Sink {
  add: AddRows
  /** Rows of senders of one row each that are gone after the window. */
  addSingles(day: number, counts: Int32Array): void
  /** A window has ended. */
  end(): void
}

/**
 * Draws the rows of all windows.
 *
 * @param common - what a feature has in common with the others, from the same seed for each of them; only for senders of
 * fewer than 20 rows in a window
 */
export function drawRows(cell: Cell, baseline: Baseline, random: Random, sink: Sink, common?: Random): void {
  const { correlation, looks, dayWindows, busyShift } = cell
  const { feature, cuts, cells } = baseline
  const placeOf = openPlaces(baseline)
  const counts = new Int32Array(feature.counts.length)
  const ordered = new Int32Array(cells.length)
  const shares = new Float64Array(cells.length)
  const own = rowsBySender(cell)
  const effects = new Float64Array(own.length)
  const [between, within] = [Math.sqrt(correlation), Math.sqrt(1 - correlation)]
  const isSingles = dayWindows === 1 && busyShift === 0 && common === undefined && own.every((rows) => rows === 1)

  const [shared, alone] = [Math.sqrt(cell.featureCorrelation), Math.sqrt(1 - cell.featureCorrelation)]
  const normal = common === undefined ? random.normal : () => shared * common.normal() + alone * random.normal()

  // Many rows of one sender at once: how many fall into each cell.
  function drawMany(rows: number, mean: number, deviation: number): void {
    let before = 0
    for (let i = 0; i < cuts.length; i++) {
      const share = normalShare(((cuts[i] ?? 0) - mean) / deviation)
      shares[i] = share - before
      before = share
    }
    shares[cuts.length] = 1 - before
    ordered.fill(0)
    random.multinomial(rows, shares, ordered)
    for (let i = 0; i < cells.length; i++) {
      const place = cells[i] ?? 0
      counts[place] = (counts[place] ?? 0) + (ordered[i] ?? 0)
    }
  }

  for (let look = 0; look < looks; look++) {
    const day = Math.floor(look / dayWindows)
    const shift = shiftAt(cell, look)
    if (isSingles) {
      // Of a sender with one row it cannot be told how alike two of its rows are.
      counts.fill(0)
      drawMany(own.length, shift, 1)
      sink.addSingles(day, counts)
      sink.end()
      continue
    }
    if (look % dayWindows === 0 && correlation > 0) {
      for (let sender = 0; sender < own.length; sender++) effects[sender] = between * normal()
    }
    for (let sender = 0; sender < own.length; sender++) {
      const rows = own[sender] ?? 0
      if (rows === 0) continue
      counts.fill(0)
      const mean = (effects[sender] ?? 0) + shift + busyOffset(cell, sender)
      if (rows >= 20) drawMany(rows, mean, within)
      else {
        for (let row = 0; row < rows; row++) {
          const place = placeOf(mean + within * normal())
          counts[place] = (counts[place] ?? 0) + 1
        }
      }
      sink.add(sender, day, counts)
    }
    sink.end()
  }
}

export function drawBaseline(cell: Cell, random: Random): Baseline {
  if (cell.kind === 'categorical') return categoricalBaseline(cell.baselineRows, random)
  if (cell.kind === 'tied') return tiedBaseline(cell.baselineRows, random)
  return numericBaseline(cell, random)
}

/** The cell of a latent value. */
function openPlaces({ cuts, cells }: Baseline): (value: number) => number {
  // 64 slots a deviation: most hold no cut, and their cell is known.
  const first = new Int32Array(1024)
  for (let slot = 1, at = 0; slot < first.length; slot++) {
    while (at < cuts.length && (cuts[at] ?? 0) <= slot / 64 - 8) at++
    first[slot] = at
  }
  return (value) => {
    let at = first[Math.min(1023, Math.max(0, ((value + 8) * 64) | 0))] ?? 0
    while (at < cuts.length && (cuts[at] ?? 0) <= value) at++
    return cells[at] ?? 0
  }
}

function shiftAt({ shift, changeAt, rampWindows, onWindows }: Cell, look: number): number {
  const since = look - changeAt
  if (since < 0) return 0
  if (onWindows > 0 && Math.floor(since / onWindows) % 2 === 1) return 0
  return since < rampWindows ? (shift * (since + 1)) / rampWindows : shift
}

function rowsBySender({ rows, senders, busyShift }: Cell): Int32Array {
  if (busyShift === 0) {
    return Int32Array.from({ length: senders }, (_, sender) => {
      return Math.floor(((sender + 1) * rows) / senders) - Math.floor((sender * rows) / senders)
    })
  }
  const busy = senders / 10
  return Int32Array.from({ length: senders }, (_, sender) => {
    return sender < busy ? rows / 2 / busy : rows / 2 / (senders - busy)
  })
}

function busyOffset({ senders, busyShift }: Cell, sender: number): number {
  return busyShift === 0 ? 0 : sender < senders / 10 ? busyShift / 2 : -busyShift / 2
}

// The cells that a baseline of so many rows has: its own least and greatest value, and deciles.
function numericBaseline({ baselineRows, busyShift }: Cell, random: Random): Baseline {
  const ranks = [...Array.from({ length: bins }, (_, i) => Math.floor((i * baselineRows) / bins) + 1), baselineRows]
  const edges =
    busyShift === 0
      ? normalOrderStatistics(random, baselineRows, ranks)
      : mixedOrderStatistics(random, baselineRows, busyShift, ranks)
  const counts = ranks.slice(1).map((rank, i) => rank - (ranks[i] ?? 0))
  counts.push((counts.pop() ?? 0) + 1)
  return {
    feature: { name: 'x', kind: 'numeric', edges, points: [], counts: [0, ...counts, 0, 0, 0, 0, 0] },
    cuts: Float64Array.from(edges),
    cells: Int32Array.from({ length: edges.length + 1 }, (_, i) => i),
  }
}

function mixedOrderStatistics(random: Random, size: number, busyShift: number, ranks: readonly number[]): number[] {
  const sample = Float64Array.from({ length: size }, () => {
    return random.normal() + (random.uniform() < 0.5 ? busyShift / 2 : -busyShift / 2)
  }).sort()
  return ranks.map((rank) => sample[rank - 1] ?? 0)
}

// Fixed cuts of the normal: a level's share is that of the whole population.
function categoricalBaseline(baselineRows: number, random: Random): Baseline {
  let below = 0
  const cuts = levels.slice(0, -1).map((share) => {
    below += share
    return normalQuantile(below)
  })
  const counts = new Int32Array(levels.length)
  random.multinomial(baselineRows, Float64Array.from(levels), counts)
  const values = levels.map((_, i) => `level ${i}`)
  return {
    feature: { name: 'x', kind: 'categorical', values, counts: [...counts, 0, 0, 0] },
    cuts: Float64Array.from(cuts),
    cells: Int32Array.from(levels.keys()),
  }
}

// The lowest 60 % are one value, the rest is cut at its quartiles.
function tiedBaseline(baselineRows: number, random: Random): Baseline {
  const floor = normalQuantile(tiedMass)
  const tied = random.binomial(baselineRows, tiedMass)
  const rest = baselineRows - tied
  const ranks = [1, 2, 3].map((i) => Math.floor((i * rest) / 4) + 1)
  const within = normalOrderStatistics(random, rest, [...ranks, rest])
  const values = within.map((value) => normalQuantile(tiedMass + (1 - tiedMass) * normalShare(value)))
  const counts = [...ranks, rest + 1].map((rank, i) => rank - (ranks[i - 1] ?? 1))
  const edges = [floor - 1, ...values]
  const point = edges.length + 1
  return {
    feature: {
      name: 'x',
      kind: 'numeric',
      edges,
      points: [floor - 1],
      counts: [0, ...counts, 0, tied, 0, 0, 0, 0],
    },
    cuts: Float64Array.from([floor, ...values]),
    cells: Int32Array.from([point, 1, 2, 3, 4, 5]),
  }
}
