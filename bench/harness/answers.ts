/** Checks of answers that more than one scenario makes. */

/**
 * Why numbers are not those of another variant: providers order their sums differently, and between two of them the last
 * digits of a float32 differ.
 *
 * @param tolerance - largest absolute difference
 */
export function checkNumbers(answer: unknown, against: unknown, tolerance: number): string | undefined {
  const got = answer as number[]
  const wanted = against as number[]
  const worst = Math.max(...wanted.map((score, i) => Math.abs(score - (got[i] ?? Number.NaN))))
  // Whoever answers nothing but zeros is not right because all do.
  const isWork = wanted.some((score) => score !== 0)
  if (isWork && got.length === wanted.length && worst <= tolerance) return undefined
  return `${got.length} scores, ${worst} off at most; want ${wanted.length} within ${tolerance}`
}
