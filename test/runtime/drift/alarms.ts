/**
 * First alarms of a run, hundreds of times as fast as by `firstAlarms` of a track and the same: sums are kept as numbers in
 * flat arrays, and evidence is taken only of blocks whose best direction could make an alarm.
 */
import { logEvidence, totalOf } from '../../../runtime/drift/evidence.ts'
import { openScores, rowsOver, type Scores } from '../../../runtime/drift/scores.ts'
import { life } from '../../../runtime/drift/verdict.ts'
import { openRandom } from './random.ts'
import { type Cell, drawBaseline, drawRows, type Sink } from './simulate.ts'

/** The first look at which the evidence passes the threshold for so many features, counted from 1; Infinity for none. */
export function findAlarms(cell: Cell, seed: number, features: readonly number[]): number[] {
  const random = openRandom(seed)
  const baseline = drawBaseline(cell, random)
  const scores = openScores(baseline.feature)
  const sums = openSums(scores, baseline.feature.counts.length, cell)
  drawRows(cell, baseline, random, sums)
  return searchBlocks(scores, sums, cell, features)
}

/** Whether any of so many features that are correlated with each other alarms, at the threshold of that many. */
export function isAnyAlarm(cell: Cell, seed: number, features: number): boolean {
  for (let feature = 0; feature < features; feature++) {
    const random = openRandom(seed * 1000 + feature + 1)
    const baseline = drawBaseline(cell, random)
    const scores = openScores(baseline.feature)
    const sums = openSums(scores, baseline.feature.counts.length, cell)
    drawRows(cell, baseline, random, sums, openRandom(seed * 1000))
    if (searchBlocks(scores, sums, cell, [features]).some(Number.isFinite)) return true
  }
  return false
}

interface Sums extends Sink {
  /** Σ u·x, by end of window and direction. */
  totals: Float64Array
  /** Variance of that as a track takes it: of rows as they are clustered, and as if they were unrelated. */
  squares: Float64Array
  expected: Float64Array
}

function openSums(scores: Scores, cells: number, { rows: windowRows, looks, senders, dayWindows }: Cell): Sums {
  const size = scores.directions.length
  const byCell = cellScores(scores, cells)
  const totals = new Float64Array((looks + 1) * size)
  const squares = new Float64Array((looks + 1) * size)
  const expected = new Float64Array((looks + 1) * size)
  const window = new Float64Array(cells)
  const own = new Float64Array(size)
  const held = dayWindows > 1 ? new Float64Array(senders * size) : undefined
  let [today, ended] = [0, 0]

  function addCounts(rows: Int32Array): void {
    for (let cell = 0; cell < cells; cell++) window[cell] = (window[cell] ?? 0) + (rows[cell] ?? 0)
  }

  return {
    totals,
    squares,
    expected,
    add(sender, day, rows) {
      addCounts(rows)
      for (let d = 0; d < size; d++) own[d] = 0
      for (let cell = 0; cell < cells; cell++) {
        const count = rows[cell] ?? 0
        if (count === 0) continue
        for (let d = 0, from = cell * size; d < size; d++, from++) {
          own[d] = (own[d] ?? 0) + count * (byCell[from] ?? 0)
        }
      }
      const at = (ended + 1) * size
      for (let d = 0; d < size; d++) squares[at + d] = (squares[at + d] ?? 0) + (own[d] ?? 0) ** 2
      if (held === undefined) return
      if (day !== today) held.fill(0)
      today = day
      // (X + x)² - X² = x² + 2xX
      for (let d = 0, place = sender * size; d < size; d++, place++) {
        const [more, before] = [own[d] ?? 0, held[place] ?? 0]
        squares[at + d] = (squares[at + d] ?? 0) + 2 * more * before
        held[place] = before + more
      }
    },
    addSingles(_, rows) {
      addCounts(rows)
      const at = (ended + 1) * size
      for (let cell = 0; cell < cells; cell++) {
        for (let d = 0; d < size; d++) {
          squares[at + d] = (squares[at + d] ?? 0) + (rows[cell] ?? 0) * (byCell[cell * size + d] ?? 0) ** 2
        }
      }
    },
    end() {
      ended++
      const at = ended * size
      for (let d = 0; d < size; d++) {
        let [total, counted] = [0, 0]
        for (let cell = 0; cell < cells; cell++) {
          const score = byCell[cell * size + d] ?? 0
          total += score * (window[cell] ?? 0)
          counted += score * score * (window[cell] ?? 0)
        }
        const more = windowRows + (counted - windowRows) / 3
        totals[at + d] = total + (totals[at - size + d] ?? 0)
        squares[at + d] = (squares[at + d] ?? 0) - counted + more + (squares[at - size + d] ?? 0)
        expected[at + d] = more + (expected[at - size + d] ?? 0)
      }
      window.fill(0)
    },
  }
}

/** A row's score by cell and direction. */
function cellScores(scores: Scores, cells: number): Float64Array {
  const { directions } = scores
  const byCell = new Float64Array(cells * directions.length)
  const one = new Array<number>(cells).fill(0)
  for (let cell = 0; cell < cells; cell++) {
    one[cell] = 1
    const merged = scores.merge(one)
    one[cell] = 0
    for (const [d, direction] of directions.entries()) {
      byCell[cell * directions.length + d] = totalOf(direction.scores, merged)
    }
  }
  return byCell
}

function searchBlocks(scores: Scores, sums: Sums, cell: Cell, features: readonly number[]): number[] {
  const { directions, baseline, bins, kind } = scores
  const { totals, squares, expected } = sums
  const size = directions.length
  const baselineRows = rowsOver('rows', baseline, bins)
  const found = features.map(() => Number.POSITIVE_INFINITY)
  const effects = new Float64Array(size)
  const isLeading = directions.map(({ over, upwardsOnly }, d) =>
    kind === 'numeric' ? d === 0 : over === 'values' && !upwardsOnly,
  )
  const isUpwards = directions.map(({ upwardsOnly }) => upwardsOnly)

  function varianceOf(d: number, from: number, to: number): number {
    const square = (squares[to * size + d] ?? 0) - (squares[from * size + d] ?? 0)
    return Math.max(square, ((expected[to * size + d] ?? 0) - (expected[from * size + d] ?? 0)) * (effects[d] ?? 1))
  }

  function evidenceOf(from: number, to: number): number {
    const rows = (to - from) * cell.rows
    return logEvidence(
      directions.map((direction, d) => {
        const total = (totals[to * size + d] ?? 0) - (totals[from * size + d] ?? 0)
        const mean = direction.upwardsOnly ? Math.max(0, total / rows) : total / rows
        return { direction, rows, baselineRows, mean, variance: varianceOf(d, from, to) }
      }),
    )
  }

  // Evidence is a weighted mean over directions, none of which has more than exp(½ȳ²/v).
  function canPass(from: number, to: number, threshold: number): boolean {
    const rows = (to - from) * cell.rows
    const ofBaseline = rows ** 2 / baselineRows
    for (let d = 0; d < size; d++) {
      const total = (totals[to * size + d] ?? 0) - (totals[from * size + d] ?? 0)
      if (total < 0 && isUpwards[d]) continue
      const variance = varianceOf(d, from, to) + ofBaseline
      if (total * total >= 2 * threshold * variance) return true
    }
    return false
  }

  for (let to = 1; to <= cell.looks; to++) {
    let leading = 1
    for (let d = 0; d < size; d++) {
      const own = Math.max(1, (squares[to * size + d] ?? 0) / (expected[to * size + d] ?? 1))
      effects[d] = own
      if (isLeading[d] && own > leading) leading = own
    }
    for (let d = 0; d < size; d++) effects[d] = Math.max(leading, effects[d] ?? 1)
    const open = features.filter((_, i) => found[i] === Number.POSITIVE_INFINITY)
    if (open.length === 0) break
    const least = Math.log(Math.min(...open) / 0.05)
    const late = least + Math.log(life)
    let most = Number.NEGATIVE_INFINITY
    if (canPass(0, to, least)) most = evidenceOf(0, to)
    for (let power = 1; power <= to; power *= 2) {
      if (canPass(to - power, to, late)) most = Math.max(most, evidenceOf(to - power, to) - Math.log(life))
      const half = 1.5 * power
      if (power > 1 && half <= to && canPass(to - half, to, late)) {
        most = Math.max(most, evidenceOf(to - half, to) - Math.log(life))
      }
    }
    for (const [i, count] of features.entries()) {
      if (found[i] === Number.POSITIVE_INFINITY && most >= Math.log(count / 0.05)) found[i] = to
    }
  }
  return found
}
