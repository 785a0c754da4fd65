/** A feature's part of a drift report, made from the integers and variances that it holds: so anyone can make it again. */
import type { DriftReport, FeatureDrift, MonitorBody } from '../contract/monitor.ts'
import type { ProfileFeature } from '../contract/profile-spec.ts'
import { jensenShannon, ksBracket, lInfinity, overflow, psi, psiConvention, wasserstein } from './effects.ts'
import { meanOf, type Told, totalOf } from './evidence.ts'
import { numberCells } from './order.ts'
import { openScores, rowsOver, type Scores } from './scores.ts'
import { findLack, judge, limitOf, logThreshold, radiusOf } from './verdict.ts'

/** What cannot be made again from the other numbers. */
export interface Facts {
  profile: ProfileFeature
  /** Cells of the baseline, where it is a past span of time. */
  baseline?: readonly number[] | undefined
  block: FeatureDrift['block']
  /** Cells of the block's rows, as the profile has them. */
  counts: readonly number[]
  clusters: number
  /** By direction, in the order of its scores. */
  spread: readonly Pick<Told, 'variance' | 'designEffect'>[]
}

/** How many features and outputs share a monitor's alpha, with its settings. */
export type Rules = Pick<MonitorBody, 'alpha' | 'limits'> & {
  signal: 'drift' | 'quality'
  features: number
  clustering: DriftReport['clustering']
}

export function reportFeature(facts: Facts, rules: Rules): FeatureDrift {
  const { profile, baseline, block, counts, clusters, spread } = facts
  const scores = openScores(profile, rules.signal, baseline)
  const measures = measuresOf(scores, counts, spread)
  const measured = { measures, clusters, rule: block.rule }
  const { verdict, logEvidence } = judge(measured, rules)
  const effects = effectsOf(profile, baseline ?? profile.counts, counts)
  return {
    name: profile.name,
    verdict,
    ...(verdict === 'insufficient' && { lack: findLack(measured, rules) }),
    block,
    profile,
    ...(baseline && { baseline: [...baseline] }),
    counts: [...counts],
    clusters,
    logEvidence,
    logThreshold: logThreshold(rules, block.rule),
    directions: measures.map((told) => {
      const radius = radiusOf(told, rules)
      const { name, weight } = told.direction
      return {
        name,
        weight,
        rows: told.rows,
        baselineRows: told.baselineRows,
        mean: told.mean,
        ...(Number.isFinite(radius) && { radius }),
        limit: limitOf(told.direction, rules.limits),
        variance: told.variance,
        designEffect: told.designEffect,
      }
    }),
    ...(effects && { effects }),
  }
}

/** The same report again, from the counts and variances that it holds: equal where it says what its numbers say. */
export function recompute(report: DriftReport): DriftReport {
  const rules = rulesOf(report.monitor, report.features.length + report.outputs.length, report.clustering)
  const again = ({ directions, ...told }: FeatureDrift) => reportFeature({ ...told, spread: directions }, rules)
  const features = report.features.map(again)
  const outputs = report.outputs.map(again)
  return { ...report, verdict: verdictOfAll([...features, ...outputs]), features, outputs }
}

export function rulesOf(
  { signal, alpha, limits }: MonitorBody,
  features: number,
  clustering: Rules['clustering'],
): Rules {
  return { signal: signal === 'quality' ? signal : 'drift', alpha, limits, features, clustering }
}

/** Drift of any is drift; without any, whatever cannot be told of one cannot be told of all. */
export function verdictOfAll(features: readonly Pick<FeatureDrift, 'verdict'>[]): FeatureDrift['verdict'] {
  const has = (verdict: FeatureDrift['verdict']) => features.some((feature) => feature.verdict === verdict)
  if (has('drift')) return 'drift'
  return has('insufficient') || features.length === 0 ? 'insufficient' : 'no_drift'
}

function measuresOf(scores: Scores, counts: readonly number[], spread: Facts['spread']): Told[] {
  const merged = scores.merge(counts)
  return scores.directions.map((direction, d) => {
    const rows = rowsOver(direction.over, merged, scores.bins)
    return {
      direction,
      rows,
      mean: meanOf(direction, totalOf(direction.scores, merged), rows),
      baselineRows: rowsOver(direction.over, scores.baseline, scores.bins),
      variance: spread[d]?.variance ?? 0,
      designEffect: spread[d]?.designEffect ?? 1,
    }
  })
}

// Of rows with a value; those without one have directions of their own.
function effectsOf(
  profile: ProfileFeature,
  then: readonly number[],
  counts: readonly number[],
): FeatureDrift['effects'] {
  const values = profile.kind === 'numeric' ? numberCells(profile) : profile.values.length + 1
  const [baseline, current] = [then.slice(0, values), counts.slice(0, values)]
  if (!baseline.some(isSome) || !current.some(isSome)) return undefined
  const { add } = psiConvention
  return {
    psi: { value: psi(baseline, current), add },
    jensenShannon: jensenShannon(baseline, current),
    lInfinity: lInfinity(baseline, current),
    ...(profile.kind === 'numeric' && {
      ks: ksBracket(profile, then, counts),
      wasserstein: wasserstein(profile, then, counts),
      overflow: overflow(profile, counts),
    }),
  }
}

function isSome(rows: number): boolean {
  return rows > 0
}
