/**
 * Where a drift comes from, from counts alone: one provider is held against all others at the same time by the evidence
 * and limits of the monitor (`verdict.ts`), and features are ranked by how far and when they moved.
 */
import type { Attribution, Likeness } from '../contract/attribution.ts'
import type { DriftReport, FeatureDrift } from '../contract/monitor.ts'
import type { ExecutionProvider } from '../contract/names.ts'
import { leastClusters, type Told } from './evidence.ts'
import { judge, limitOf, logThreshold, radiusOf, type Settings } from './verdict.ts'

type Side = 'features' | 'outputs'

/** A feature or output as one side of a comparison counted it. */
export interface Counted {
  /** In the order of the feature's directions. */
  measures: readonly Told[]
  clusters: number
}

export interface ProviderCounts {
  provider: ExecutionProvider
  rows: number
  /** Beside each, the same of all other providers together. */
  parts: readonly { side: Side; name: string; own: Counted; others: Counted }[]
}

type ProviderShare = Attribution['providers'][number]

export function attributeCauses(
  report: DriftReport,
  counted: readonly ProviderCounts[],
): Pick<Attribution, 'causes' | 'providers'> {
  const settings: Judging = {
    alpha: report.monitor.alpha,
    limits: report.monitor.limits,
    clustering: 'senders',
    features: (report.features.length + report.outputs.length) * Math.max(1, counted.length),
  }
  const providers = counted.map((each) => shareOf(each, counted.length, settings))
  const drifts = (all: readonly FeatureDrift[]) => all.some(({ verdict }) => verdict === 'drift')
  const isStill = report.features.every(({ verdict }) => verdict === 'no_drift')
  const isOne = providers.length < 2 || providers.every(({ outputs }) => outputs === 'alike')
  const found: [boolean, Attribution['causes'][number]][] = [
    [drifts(report.features), 'input'],
    [providers.some(({ isCause }) => isCause), 'provider'],
    [drifts(report.outputs) && isStill && isOne, 'version'],
  ]
  return { causes: found.flatMap(([isFound, cause]) => (isFound ? [cause] : [])), providers }
}

/** A mean of scores with its rows, window by window. */
export type Series = readonly { rows: number; mean: number }[]

/** Fewer windows with rows say nothing of what moves together. */
const leastWindows = 5

/**
 * Features of an output's drift, the most telling first.
 *
 * @param seriesOf - of a feature's or the output's leading direction, over the same windows
 */
export function explain(
  output: FeatureDrift,
  features: readonly FeatureDrift[],
  seriesOf: (part: FeatureDrift) => Series,
): Attribution['explained'][number] {
  const own = seriesOf(output)
  const found = features.map((feature) => {
    const { name: direction = '', mean: shift = 0 } = leading(feature) ?? {}
    const correlation = correlate(own, seriesOf(feature))
    const score = Math.abs(shift) * (correlation === undefined ? 1 : Math.abs(correlation))
    return { name: feature.name, direction, shift, ...(correlation !== undefined && { correlation }), score }
  })
  return {
    output: output.name,
    method: found.some(({ correlation }) => correlation !== undefined) ? 'shift and co-movement' : 'shift',
    features: found.toSorted((a, b) => b.score - a.score),
  }
}

/** The direction that moved most by its limit. */
export function leading({ directions }: FeatureDrift): FeatureDrift['directions'][number] | undefined {
  return directions.toSorted((a, b) => Math.abs(b.mean) / b.limit - Math.abs(a.mean) / a.limit)[0]
}

type Judging = Pick<Settings, 'alpha' | 'features' | 'limits' | 'clustering'>

function shareOf({ provider, rows, parts }: ProviderCounts, providers: number, settings: Judging): ProviderShare {
  const compared = providers < 2 ? [] : parts.map((part) => ({ ...part, ...compare(part.own, part.others, settings) }))
  const of = (side: Side) => compared.filter((each) => each.side === side)
  const likeness = { inputs: likenessOf(of('features')), outputs: likenessOf(of('outputs')) }
  // Of two that differ from each other, the one that is farther from the baseline.
  const isFarther = of('outputs').some(
    ({ likeness, own, others }) => likeness === 'differ' && farthest(own) > farthest(others),
  )
  const differences = (['features', 'outputs'] as const).flatMap((side) => {
    const all = of(side).flatMap(({ name, differences }) =>
      differences.map((each) => ({ part: `${side}/${name}`, ...each })),
    )
    return all.toSorted((a, b) => Math.abs(b.difference) / b.limit - Math.abs(a.difference) / a.limit).slice(0, 1)
  })
  const isCause = likeness.inputs === 'alike' && likeness.outputs === 'differ' && isFarther
  return { provider, rows, ...likeness, differences, isCause }
}

function likenessOf(compared: readonly { likeness: Likeness }[]): Likeness {
  const has = (wanted: Likeness) => compared.some(({ likeness }) => likeness === wanted)
  if (has('differ')) return 'differ'
  return has('open') || compared.length === 0 ? 'open' : 'alike'
}

function compare(own: Counted, others: Counted, settings: Judging) {
  const measures = own.measures.flatMap((told, d) => {
    const other = others.measures[d]
    return other === undefined ? [] : [differenceOf(told, other)]
  })
  const clusters = Math.min(own.clusters, others.clusters)
  const measured = { measures, clusters, rule: 'late' } as const
  const { verdict } = judge(measured, settings)
  const heaviest = Math.max(...measures.map(({ direction }) => direction.weight))
  // As few as could never alarm cannot be held against others either.
  const isFew = clusters < leastClusters(logThreshold(settings, 'start') - Math.log(heaviest))
  const likeness: Likeness = isFew || verdict === 'insufficient' ? 'open' : verdict === 'drift' ? 'differ' : 'alike'
  const differences = measures.flatMap((told) => {
    const radius = radiusOf(told, settings)
    const limit = limitOf(told.direction, settings.limits)
    return Number.isFinite(radius) ? [{ direction: told.direction.name, difference: told.mean, radius, limit }] : []
  })
  return { likeness, differences }
}

/** Both means have a variance and no baseline stands between them. */
function differenceOf(own: Told, other: Told): Told {
  const isCounted = own.rows > 0 && other.rows > 0
  const variance = isCounted ? own.variance / own.rows ** 2 + other.variance / other.rows ** 2 : 0
  return {
    direction: own.direction,
    rows: isCounted ? 1 : 0,
    baselineRows: Number.POSITIVE_INFINITY,
    mean: isCounted ? own.mean - other.mean : 0,
    variance,
    designEffect: Math.max(own.designEffect, other.designEffect),
  }
}

function farthest({ measures }: Counted): number {
  return Math.max(0, ...measures.map(({ mean }) => Math.abs(mean)))
}

// Pearson's, each window weighted by the rows of the one that has fewer.
function correlate(a: Series, b: Series): number | undefined {
  const pairs = a.flatMap((own, i) => {
    const other = b[i]
    const weight = Math.min(own.rows, other?.rows ?? 0)
    return other === undefined || weight === 0 ? [] : [{ weight, x: own.mean, y: other.mean }]
  })
  if (pairs.length < leastWindows) return undefined
  const mean = (of: (pair: (typeof pairs)[number]) => number) => {
    const total = pairs.reduce((sum, pair) => sum + pair.weight, 0)
    return pairs.reduce((sum, pair) => sum + pair.weight * of(pair), 0) / total
  }
  const [x, y] = [mean((pair) => pair.x), mean((pair) => pair.y)]
  const [xx, yy] = [mean((pair) => (pair.x - x) ** 2), mean((pair) => (pair.y - y) ** 2)]
  if (xx === 0 || yy === 0) return 0
  return mean((pair) => (pair.x - x) * (pair.y - y)) / Math.sqrt(xx * yy)
}
