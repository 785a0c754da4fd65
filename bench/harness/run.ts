/** Runs a scenario: rounds of fresh processes, answers checked, every round told as it ends. */
import { roundOrders } from './order.ts'
import { measure } from './process.ts'
import type { Scenario } from './scenario.ts'
import { median, pairedRatio, type Ratio, type Spread, spread } from './statistics.ts'

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
  /** Samples in milliseconds by variant. */
  samples: Record<string, number[]>
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
  /** Over the samples of all rounds, in milliseconds. */
  times: Spread
  /** The variant that {@link ratio} is against. */
  against: string
  /** Of the medians of rounds. */
  ratio: Ratio
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
  const rounds: Round[] = []
  for (const [index, order] of roundOrders(names, options.rounds, options.seed).entries()) {
    const samples: Record<string, number[]> = {}
    const answers = new Map<string, unknown>()
    for (const name of order) {
      const variant = present.find((each) => each.name === name)
      if (variant === undefined) continue
      const measured = await measure(variant, options)
      samples[name] = measured.samples
      answers.set(name, measured.answer)
    }
    checkAnswers(scenario, answers)
    const round = { number: index + 1, order, samples }
    rounds.push(round)
    options.onRound?.(round)
  }
  const { name, question, baseline } = scenario
  const variants = present.map((variant) => {
    const against = names.find((each) => each === variant.against) ?? baseline
    return variantResult(variant.name, against, rounds)
  })
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

function checkAnswers(scenario: Scenario, answers: ReadonlyMap<string, unknown>): void {
  for (const [name, answer] of answers) {
    const wrong = scenario.check(answer, answers.get(scenario.baseline))
    if (wrong !== undefined) throw new Error(`variant "${name}" of "${scenario.name}" gave a wrong answer: ${wrong}`)
  }
}

function variantResult(name: string, against: string, rounds: readonly Round[]): VariantResult {
  const medians = (of: string) => rounds.map((round) => median(round.samples[of] ?? []))
  return {
    name,
    times: spread(rounds.flatMap((round) => round.samples[name] ?? [])),
    against,
    ratio: pairedRatio(medians(name), medians(against)),
  }
}
