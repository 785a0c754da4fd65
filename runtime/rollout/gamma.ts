/** ln Γ(x). */

/**
 * By Stirling's series (DLMF 5.11.1), after x was brought to at least 10 by Γ(x + 1) = x·Γ(x).
 *
 * @param x - above 0
 * @returns relative error about 1e-15
 */
export function logGamma(x: number): number {
  let shift = 0
  let at = x
  for (; at < 10; at++) shift += Math.log(at)
  const inverse = 1 / at
  const square = inverse ** 2
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series - shift
}
