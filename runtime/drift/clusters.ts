/**
 * Cluster sums: what the evidence needs to know of rows that are alike because one sender sent them on one day
 * (evidence, section 1). Integers, so that they are the same in any order and grouping of a day's reports.
 */

export interface ClusterSums {
  /** Of (sender, UTC day). */
  clusters: number
  /** Σ x, by place of the merged vector. */
  counts: readonly number[]
  /** Σ X·Xᵀ over clusters: the lower triangle, row by row. Exact, and then rounded once to the next double. */
  squares: readonly number[]
}

export interface Clusters {
  /** A sender counted `counts` more on that day; in whatever order, a day's sums end up the same. */
  add(cluster: string, counts: readonly number[]): void
  sums(): ClusterSums
  /** Forgets whose counts are whose, once no more of these clusters come. */
  close(): void
}

/** @param size - length of the merged vectors */
export function openClusters(size: number): Clusters {
  const held = new Map<string, number[]>()
  const counts = new Array<number>(size).fill(0)
  const low = new Float64Array((size * (size + 1)) / 2)
  const high = new Map<number, bigint>()
  let clusters = 0

  // Squares of counts pass 2^53 with a thousand senders of three million rows a day each.
  function addProduct(at: number, a: number, b: number): void {
    const product = a * b
    const sum = (low[at] ?? 0) + product
    if (sum <= Number.MAX_SAFE_INTEGER && product <= Number.MAX_SAFE_INTEGER) low[at] = sum
    else high.set(at, (high.get(at) ?? 0n) + BigInt(a) * BigInt(b))
  }

  return {
    add(cluster, more) {
      let before = held.get(cluster)
      if (before === undefined) {
        before = new Array<number>(size).fill(0)
        held.set(cluster, before)
        clusters++
      }
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
      for (let i = 0; i < size; i++) {
        before[i] = (before[i] ?? 0) + (more[i] ?? 0)
        counts[i] = (counts[i] ?? 0) + (more[i] ?? 0)
      }
    },
    sums() {
      const squares = Array.from(low, (value, at) => {
        const rest = high.get(at)
        return rest === undefined ? value : Number(rest + BigInt(value))
      })
      return { clusters, counts: [...counts], squares }
    },
    close: () => held.clear(),
  }
}

/** uᵀ·M·u. */
export function quadratic(scores: readonly number[], squares: readonly number[]): number {
  let [total, at] = [0, 0]
  for (const [i, score] of scores.entries()) {
    for (let j = 0; j <= i; j++, at++) {
      const twice = j === i ? 1 : 2
      total += twice * score * (scores[j] ?? 0) * (squares[at] ?? 0)
    }
  }
  return total
}
