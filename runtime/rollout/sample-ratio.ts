/**
 * Whether units came to deployments in the shares of the plan: a sequential test (Lindon & Malek, "Anytime-valid inference
 * for multinomial count data", 2022). Units are counted, never rows: five rows a unit alarm in 20.6 % of nulls.
 */
import { logGamma } from './gamma.ts'

/** How sharply the alternative stands around the shares (evidence, section 8). */
const concentration = 10_000

export interface SampleRatio {
  alarm: boolean
  /** ln of the evidence against the shares. */
  logEvidence: number
  logThreshold: number
}

/**
 * @param units - by deployment, in the order of `shares`
 * @param shares - above 0, sum to 1
 * @param level - chance of an alarm over all looks where the shares are true
 */
export function sampleRatio(units: readonly number[], shares: readonly number[], level: number): SampleRatio {
  const prior = shares.map((share) => concentration * share)
  const logEvidence = logDirichlet(units, prior) - logShares(units, shares)
  const logThreshold = Math.log(1 / level)
  return { alarm: logEvidence >= logThreshold, logEvidence, logThreshold }
}

/** Over revisions with different splits: the product of their evidence, never pooled units, whose shares are nobody's. */
export function combineRatios(
  revisions: readonly { units: readonly number[]; shares: readonly number[] }[],
  level: number,
): SampleRatio {
  const logEvidence = sum(revisions.map(({ units, shares }) => sampleRatio(units, shares, level).logEvidence))
  const logThreshold = Math.log(1 / level)
  return { alarm: logEvidence >= logThreshold, logEvidence, logThreshold }
}

/** ln of the probability of a sequence of units under a Dirichlet mixture of shares. */
export function logDirichlet(units: readonly number[], prior: readonly number[]): number {
  const total = sum(prior)
  const each = units.map((count, i) => logGamma((prior[i] ?? 0) + count) - logGamma(prior[i] ?? 0))
  return logGamma(total) - logGamma(total + sum(units)) + sum(each)
}

/** ln of the probability of a sequence of units under known shares. */
export function logShares(units: readonly number[], shares: readonly number[]): number {
  return sum(units.map((count, i) => (count === 0 ? 0 : count * Math.log(shares[i] ?? 0))))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
