/** Runs a scenario: rounds of fresh processes, answers checked, every round told as it ends. */
import { roundOrders } from './order.ts'
import { measure } from './process.ts'
import type { Scenario, Unit } from './scenario.ts'
import { median, type Paired, pairedDifference, pairedRatio, type Spread, spread } from './statistics.ts'

export interface RunOptions {
  rounds: number
  /** Of the order of variants. */
  seed: number
  /** Of one process. */
  timeoutMs: number
  signal?: AbortSignal | undefined
  /** Told after each round. */
  onRound?: ((round: Round) => void) | undefined
}

export interface Round {
  number: number
  order: string[]
  /** By variant, in its unit. */
  samples: Record<string, number[]>
  units: Record<string, Unit>
  /** By variant, where it took those of its comparison itself. */
  beside: Record<string, number[]>
}

export interface Result {
  scenario: string
  question: string
  baseline: string
  seed: number
  rounds: Round[]
  variants: VariantResult[]
  absent: { name: string; why: string }[]
}

interface VariantResult {
  name: string
  unit: Unit
  /** Over the samples of all rounds. */
  figures: Spread
  /** The variant that {@link ratio} and {@link difference} are against. */
  against: string
  /** Of the medians of rounds, or of the pairs within them. */
  ratio: Paired
  difference: Paired
}

/**
 * @throws Error where a variant fails or gives a wrong answer, and where the baseline is absent: figures that do not
 * stand on the same work are none
 */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Result> {
  const { present, absent } = await sortVariants(scenario)
  const names = present.map((variant) => variant.name)
  if (!names.includes(scenario.baseline)) {
    const why = absent.find((variant) => variant.name === scenario.baseline)?.why ?? 'no variant has its name'
    throw new Error(`baseline "${scenario.baseline}" of "${scenario.name}" cannot run: ${why}`)
  }
  const held = present.map(({ name, against }) => ({
    name,
    against: names.find((each) => each === against) ?? scenario.baseline,
  }))
  const rounds: Round[] = []
  for (const [index, order] of roundOrders(names, options.rounds, options.seed).entries()) {
    const samples: Round['samples'] = {}
    const units: Round['units'] = {}
    const beside: Round['beside'] = {}
    const answers = new Map<string, unknown>()
    for (const name of order) {
      const variant = present.find((each) => each.name === name)
      if (variant === undefined) continue
      const measured = await measure(variant, options)
      samples[name] = measured.samples
      units[name] = measured.unit
      if (measured.beside !== undefined) beside[name] = measured.beside
      answers.set(name, measured.answer)
    }
    for (const { name, against } of held) {
      const wrong = scenario.check(answers.get(name), answers.get(against))
      if (wrong !== undefined) throw new Error(`variant "${name}" of "${scenario.name}" gave a wrong answer: ${wrong}`)
      if (units[name] === units[against]) continue
      throw new Error(
        `variant "${name}" is in ${units[name]}, "${against}", against which it is held, in ${units[against]}`,
      )
    }
    const round = { number: index + 1, order, samples, units, beside }
    rounds.push(round)
    options.onRound?.(round)
  }
  const { name, question, baseline } = scenario
  const variants = held.map((each) => variantResult(each, rounds))
  return { scenario: name, question, baseline, seed: options.seed, rounds, variants, absent }
}

async function sortVariants({ variants }: Scenario) {
  const present: Scenario['variants'][number][] = []
  const absent: Result['absent'] = []
  for (const variant of variants) {
    const why = await variant.absent?.()
    if (why === undefined) present.push(variant)
    else absent.push({ name: variant.name, why })
  }
  return { present, absent }
}

function variantResult({ name, against }: { name: string; against: string }, rounds: readonly Round[]): VariantResult {
  const pairs = rounds.map(({ samples, beside }) => {
    const own = samples[name] ?? []
    const other = beside[name]
    return other === undefined ? { own: [median(own)], other: [median(samples[against] ?? [])] } : { own, other }
  })
  return {
    name,
    unit: rounds[0]?.units[name] ?? 'ms',
    figures: spread(rounds.flatMap((round) => round.samples[name] ?? [])),
    against,
    ratio: pairedRatio(pairs),
    difference: pairedDifference(pairs),
  }
}
