/** An experiment from what the store holds: each split by itself, then together, never pooled (design, section 10). */
import type { Experiment } from '../../runtime/contract/experiment.ts'
import { combineEffects, intervalOf, openUnitSums, type Revision } from '../../runtime/rollout/effects.ts'
import { sampleRatio } from '../../runtime/rollout/sample-ratio.ts'
import { sharesOf } from '../endpoints/rules.ts'
import type { ArmUnits, SplitSpan } from '../store/experiments.ts'
import type { Store } from '../store/store.ts'

export interface ExperimentQuery {
  endpoint: string
  outcome: string
  control: string
  treatment: string
  alpha: number
  /** RFC 3339. */
  from: string
  to: string
}

const sampleRatioAlpha = 0.001

export async function readExperiment(store: Store, query: ExperimentQuery): Promise<Experiment> {
  const { endpoint, outcome, control, treatment, alpha, from, to } = query
  const spans = (await store.experiments.splits(endpoint, from, to)).flatMap((span) => {
    const shares = sharesOf(span)
    return shares.has(control) && shares.has(treatment) ? [{ ...span, shares }] : []
  })
  const splits: Experiment['splits'] = []
  const revisions: Revision[] = []
  let logEvidence = 0
  for (const span of spans) {
    const arms = await store.experiments.arms(endpoint, outcome, { revision: span.revision, from, to })
    const of = (name: string) => arms.find(({ deployment }) => deployment === name)
    const [a, b] = [of(control), of(treatment)]
    splits.push({
      revision: span.revision,
      from: span.from,
      to: span.to,
      shares: { control: span.shares.get(control) ?? 0, treatment: span.shares.get(treatment) ?? 0 },
      control: armOf(a),
      treatment: armOf(b),
    })
    revisions.push({ control: a?.sums ?? openUnitSums(), treatment: b?.sums ?? openUnitSums() })
    // The evidence of spans that follow each other is multiplied: each is 1 on average where the shares are true.
    logEvidence += ratioOf(span, arms)
  }
  const found = combineEffects(revisions)
  const logThreshold = Math.log(1 / sampleRatioAlpha)
  const intervals = found && {
    absolute: { value: found.absolute.value, ...intervalOf(found.absolute, alpha) },
    ...(found.relative && { relative: { value: found.relative.value, ...intervalOf(found.relative, alpha) } }),
  }
  return {
    ...query,
    splits,
    ...(intervals && { effect: intervals }),
    sampleRatio: { alarm: logEvidence >= logThreshold, logEvidence, logThreshold },
  }
}

function armOf(units: ArmUnits | undefined): Experiment['splits'][number]['control'] {
  if (units === undefined) return { units: 0, told: 0 }
  const { sums, told } = units
  return { units: sums.units, told, mean: sums.y / sums.units }
}

function ratioOf({ shares }: SplitSpan & { shares: ReadonlyMap<string, number> }, arms: readonly ArmUnits[]): number {
  const names = [...shares.keys()]
  const units = names.map((name) => arms.find(({ deployment }) => deployment === name)?.newUnits ?? 0)
  return sampleRatio(
    units,
    [...shares.values()].map((ppm) => ppm / 1_000_000),
    sampleRatioAlpha,
  ).logEvidence
}
