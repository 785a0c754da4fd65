/**
 * One arm of a comparison: sums over clusters (units), enough for a ratio of means and its variance whatever happens
 * inside a cluster (evidence, section 8).
 */

export interface Arm {
  clusters: number
  /** Σ n, rows. */
  rows: number
  /** Σ s, what is counted of them: errors, slow answers, scores, values. */
  total: number
  /** Σ s², Σ s·n, Σ n² over clusters. */
  totalSquares: number
  products: number
  rowSquares: number
}

export function openArm(): Arm {
  return { clusters: 0, rows: 0, total: 0, totalSquares: 0, products: 0, rowSquares: 0 }
}

/** Adds a whole cluster: one that is told in two parts would count as two. */
export function addCluster(arm: Arm, rows: number, total: number): void {
  if (rows === 0) return
  arm.clusters++
  arm.rows += rows
  arm.total += total
  arm.totalSquares += total ** 2
  arm.products += total * rows
  arm.rowSquares += rows ** 2
}

/** 0 without rows. */
export function meanOf({ rows, total }: Arm): number {
  return rows === 0 ? 0 : total / rows
}

/** Σ (s - r·n)² over clusters: the variance of the sum of residuals. */
export function spreadOf(arm: Arm): number {
  const mean = meanOf(arm)
  return Math.max(0, arm.totalSquares - 2 * mean * arm.products + mean ** 2 * arm.rowSquares)
}

/** Of several strata. */
export function sumArms(arms: readonly Arm[]): Arm {
  const sum = openArm()
  for (const arm of arms) {
    sum.clusters += arm.clusters
    sum.rows += arm.rows
    sum.total += arm.total
    sum.totalSquares += arm.totalSquares
    sum.products += arm.products
    sum.rowSquares += arm.rowSquares
  }
  return sum
}
