/**
 * Cluster sums: what the evidence needs to know of rows that are alike because one sender sent them on one day
 * (evidence, section 1), or of one unit where their host tells. Integers, so that they are the same in any order and grouping
 * of a day's reports.
 */

export interface ClusterSums {
  /** Of (sender, UTC day), or of (unit, UTC day). */
  clusters: number
  /** Σ x, by place of the merged vector. */
  counts: readonly number[]
  /** Σ X·Xᵀ over clusters: the lower triangle, row by row. Exact, and then rounded once to the next double. */
  squares: readonly number[]
}

/** The same, not rounded: bigint past 2^53. Sums of these are the same in any order and grouping. */
export interface ExactSums extends Omit<ClusterSums, 'squares'> {
  squares: readonly (number | bigint)[]
}

/** Rows whose host told itself which of them belong together (`runtime/telemetry/pairs.ts`). */
export interface PairedCounts {
  /** (unit, UTC day) that were not there before. */
  clusters: number
  counts: readonly number[]
  /** Σ x·xᵀ over rows: each with itself. */
  own: readonly number[]
  /** Σ x·yᵀ over pairs of rows of one cluster; empty where there is none. */
  pairs: readonly number[]
  /** How many hosts share the rows of a unit, each as likely to get the next one. */
  hosts: number
}

export interface Clusters {
  /** A sender counted `counts` more on that day; in whatever order, a day's sums end up the same. */
  add(cluster: string, counts: readonly number[]): void
  addPaired(counted: PairedCounts): void
  /** What was added elsewhere. */
  addSums(sums: ExactSums): void
  sums(): ClusterSums
  exact(): ExactSums
  /** What goes on from here by itself, as long as these are left as they are. Price: that of the clusters it is told of. */
  fork(): Clusters
  /** Forgets whose counts are whose, once no more of these clusters come. */
  close(): void
}

/** @param size - length of the merged vectors */
export function openClusters(size: number): Clusters {
  const counts = new Array<number>(size).fill(0)
  return openFrom({
    counts,
    low: new Float64Array(triangle(size)),
    high: new Map(),
    clusters: 0,
    past: () => undefined,
  })
}

interface State {
  counts: number[]
  /** Squares, and what of them is past 2^53. */
  low: Float64Array
  high: Map<number, bigint>
  clusters: number
  /** What a cluster counted before. */
  past(cluster: string): readonly number[] | undefined
}

function openFrom({ counts, low, high, ...state }: State): Clusters {
  const size = counts.length
  const held = new Map<string, number[]>()
  let { clusters, past } = state

  function take(cluster: string): number[] {
    let own = held.get(cluster)
    if (own !== undefined) return own
    const earlier = past(cluster)
    if (earlier === undefined) clusters++
    own = earlier === undefined ? new Array<number>(size).fill(0) : [...earlier]
    held.set(cluster, own)
    return own
  }

  // Squares of counts pass 2^53 with a thousand senders of three million rows a day each.
  function addProduct(at: number, a: number, b: number): void {
    const product = a * b
    if (product <= Number.MAX_SAFE_INTEGER) addExact(at, product)
    else addExact(at, BigInt(a) * BigInt(b))
  }

  function addExact(at: number, more: number | bigint): void {
    const sum = typeof more === 'bigint' ? Number.NaN : (low[at] ?? 0) + more
    if (sum <= Number.MAX_SAFE_INTEGER) low[at] = sum
    else high.set(at, (high.get(at) ?? 0n) + BigInt(more))
  }

  function squareAt(at: number): number | bigint {
    const rest = high.size === 0 ? undefined : high.get(at)
    return rest === undefined ? (low[at] ?? 0) : rest + BigInt(low[at] ?? 0)
  }

  function addCounts(more: readonly number[]): void {
    for (let i = 0; i < size; i++) counts[i] = (counts[i] ?? 0) + (more[i] ?? 0)
  }

  return {
    add(cluster, more) {
      const before = take(cluster)
      // (X + x)(X + x)ᵀ - XXᵀ = xxᵀ + xXᵀ + Xxᵀ
      let at = 0
      for (let i = 0; i < size; i++) {
        const own = more[i] ?? 0
        const past = before[i] ?? 0
        if (own === 0 && past === 0) {
          at += i + 1
          continue
        }
        for (let j = 0; j <= i; j++, at++) {
          const other = more[j] ?? 0
          if (own !== 0) addProduct(at, own, other + (before[j] ?? 0))
          if (other !== 0) addProduct(at, past, other)
        }
      }
      for (let i = 0; i < size; i++) before[i] = (before[i] ?? 0) + (more[i] ?? 0)
      addCounts(more)
    },
    addPaired(counted) {
      clusters += counted.clusters
      addCounts(counted.counts)
      // Of the pairs of a unit's rows a host sees those that both came to it: 1 in `hosts`.
      for (let at = 0; at < low.length; at++) {
        addExact(at, counted.own[at] ?? 0)
        if (counted.pairs[at]) addProduct(at, counted.pairs[at] ?? 0, counted.hosts)
      }
    },
    addSums(sums) {
      clusters += sums.clusters
      addCounts(sums.counts)
      for (const [at, square] of sums.squares.entries()) addExact(at, square)
    },
    sums() {
      const squares = new Array<number>(low.length)
      for (let at = 0; at < low.length; at++) squares[at] = Number(squareAt(at))
      return { clusters, counts: [...counts], squares }
    },
    exact() {
      const squares = new Array<number | bigint>(low.length)
      for (let at = 0; at < low.length; at++) squares[at] = squareAt(at)
      return { clusters, counts: [...counts], squares }
    },
    fork: () =>
      openFrom({
        counts: [...counts],
        low: low.slice(),
        high: new Map(high),
        clusters,
        past: (cluster) => held.get(cluster) ?? past(cluster),
      }),
    close() {
      held.clear()
      past = () => undefined
    },
  }
}

/** What was added between two sums of the same clusters. */
export function difference(after: ExactSums, before: ExactSums): ExactSums {
  return {
    clusters: after.clusters - before.clusters,
    counts: after.counts.map((count, i) => count - (before.counts[i] ?? 0)),
    squares: after.squares.map((square, at) => {
      const earlier = before.squares[at] ?? 0
      return typeof square === 'number' && typeof earlier === 'number'
        ? square - earlier
        : BigInt(square) - BigInt(earlier)
    }),
  }
}

/** Entries of a lower triangle with its diagonal. */
export function triangle(size: number): number {
  return (size * (size + 1)) / 2
}

/** uᵀ·M·u. */
export function quadratic(scores: readonly number[], squares: readonly number[]): number {
  let total = 0
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] ?? 0
    if (score === 0) continue
    const first = triangle(i)
    let row = 0
    for (let j = 0; j < i; j++) row += (scores[j] ?? 0) * (squares[first + j] ?? 0)
    total += score * (2 * row + score * (squares[first + i] ?? 0))
  }
  return total
}
