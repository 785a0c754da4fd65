/**
 * Rows of a few servers: nobody knows which of them belong together, so spans of time are the clusters (evidence,
 * section 6). It holds only while rows a window apart are unrelated, which is the operator's promise.
 */
import type { ClusterSums } from './clusters.ts'
import { meanOf, type Told, type Track, totalOf } from './evidence.ts'
import { rowsOver, type Scores } from './scores.ts'

/** Fewest spans of twice the length by which a length is judged. */
const leastSpans = 8
/** How much more the sums of twice the length may vary, a window's share of it, where rows of two spans are unrelated. */
const mostGrowth = 1.25

/** How rows of a span of windows hang together. */
interface Kinship {
  /** Windows after which rows are unrelated. */
  length: number
  /** By direction: the greater sum of squares, of spans of that length and of twice it. */
  squares: readonly number[]
}

/** A {@link Track} whose clusters are spans of windows; the window is the least of them. */
export function openTimeTrack(scores: Scores): Track {
  const { directions, bins, size, baseline } = scores
  const zero = { counts: new Array<number>(size).fill(0), totals: directions.map(() => 0) }
  const ends = [zero]
  const end = (at: number) => ends[at] ?? zero
  const leading = directions.flatMap(({ over, upwardsOnly }, d) => {
    const leads = scores.kind === 'numeric' ? d === 0 : !upwardsOnly
    return leads && over === 'values' ? [d] : []
  })
  const known = new Map<string, Kinship | undefined>()

  const counts = (from: number, to: number) => end(to).counts.map((count, i) => count - (end(from).counts[i] ?? 0))

  /** Places at which spans of a length begin and end. */
  function* spans(from: number, to: number, length: number): Generator<[number, number]> {
    for (let at = from; at < to; at += length) yield [at, Math.min(to, at + length)]
  }

  function squaresOf(from: number, to: number, length: number): number[] {
    const sums = directions.map(() => 0)
    for (const [first, last] of spans(from, to, length)) {
      for (let d = 0; d < sums.length; d++) {
        sums[d] = (sums[d] ?? 0) + ((end(last).totals[d] ?? 0) - (end(first).totals[d] ?? 0)) ** 2
      }
    }
    return sums
  }

  // Of the leading directions together, around the mean of all rows; without a remainder, which is shorter.
  function centred(from: number, to: number, length: number): number {
    const whole = to - ((to - from) % length)
    const rows = rowsOver('values', counts(from, whole), bins)
    let sum = 0
    for (const d of leading) {
      const mean = rows === 0 ? 0 : ((end(whole).totals[d] ?? 0) - (end(from).totals[d] ?? 0)) / rows
      for (const [first, last] of spans(from, whole, length)) {
        const own = (end(last).totals[d] ?? 0) - (end(first).totals[d] ?? 0)
        sum += (own - mean * rowsOver('values', counts(first, last), bins)) ** 2
      }
    }
    return whole === from ? 0 : sum / (whole - from)
  }

  function kinship(from: number, to: number): Kinship | undefined {
    const key = `${from} ${to}`
    if (!known.has(key)) known.set(key, findKinship(from, to))
    return known.get(key)
  }

  function findKinship(from: number, to: number): Kinship | undefined {
    for (let length = 1; 2 * length * leastSpans <= to - from; length *= 2) {
      if (centred(from, to, 2 * length) > mostGrowth * centred(from, to, length)) continue
      const [once, twice] = [squaresOf(from, to, length), squaresOf(from, to, 2 * length)]
      return { length, squares: once.map((square, d) => Math.max(square, twice[d] ?? 0)) }
    }
    return undefined
  }

  // What a block is judged by: the windows before it, which a change in it did not touch; itself where those are too few.
  function judging(from: number, to: number, start: number): (Kinship & { from: number; to: number }) | undefined {
    if (from - start < 2 * leastSpans) {
      const own = kinship(from, to)
      return own && { ...own, from, to }
    }
    const before = kinship(start, from)
    return before && to - from >= leastSpans * before.length ? { ...before, from: start, to: from } : undefined
  }

  function designEffects(judge: Kinship & { from: number; to: number }): number[] {
    const since = counts(judge.from, judge.to)
    const found = directions.map(({ over }, d) => {
      const rows = rowsOver(over, since, bins)
      return rows === 0 ? 1 : Math.max(1, (judge.squares[d] ?? 0) / rows)
    })
    const floor = Math.max(1, ...leading.map((d) => found[d] ?? 1))
    return found.map((own) => Math.max(own, floor))
  }

  return {
    get length() {
      return ends.length - 1
    },
    push({ counts }: ClusterSums) {
      const totals = directions.map(({ scores }) => totalOf(scores, counts))
      ends.push({ counts: [...counts], totals })
    },
    measure(from, to, start) {
      const block = counts(from, to)
      const judge = judging(from, to, start)
      const effects = judge && designEffects(judge)
      const own = judge && (judge.from === from ? judge.squares : squaresOf(from, to, judge.length))
      return directions.map((direction, d): Told => {
        const rows = rowsOver(direction.over, block, bins)
        const total = (end(to).totals[d] ?? 0) - (end(from).totals[d] ?? 0)
        // Rows that may all be alike are as good as one.
        const designEffect = effects?.[d] ?? Math.max(1, rows)
        const variance = Math.max(own?.[d] ?? 0, rows * designEffect)
        return {
          direction,
          rows,
          baselineRows: rowsOver(direction.over, baseline, bins),
          mean: meanOf(direction, total, rows),
          variance,
          designEffect,
        }
      })
    },
    clusters(from, to, start) {
      const judge = judging(from, to, start)
      return judge === undefined ? 0 : Math.floor((to - from) / judge.length)
    },
    counts,
  }
}
