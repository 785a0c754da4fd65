/** Tails of the standard normal distribution. */

/** 1 - Φ(z), by Abramowitz and Stegun 26.2.17: absolute error under 1e-7. */
export function upperTail(z: number): number {
  if (z < 0) return 1 - upperTail(-z)
  const t = 1 / (1 + 0.231_641_9 * z)
  const inner = -0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))
  return ((t * (0.319_381_53 + t * inner)) / Math.sqrt(2 * Math.PI)) * Math.exp(-(z ** 2) / 2)
}
