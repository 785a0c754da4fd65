/** What a scoring server makes of a killed scorer and of ten times the load that it can bear. */
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario } from '../harness/scenario.ts'

const figures = {
  gap: 'longest gap when a scorer is killed',
  goodput: 'goodput at ten times the load, over its most',
  refusal: 'p99 of a refusal at ten times the load',
  recovery: 'until requests are as fast as before',
}

export const scenario: Scenario = {
  name: 'server-faults',
  question:
    'How long does nobody get an answer, how much is answered under ten times the load, and how soon is it over?',
  baseline: figures.gap,
  variants: Object.entries(figures).map(([figure, name]) => ({
    name,
    command: [process.execPath, 'bench/variants/server-faults.ts', figure],
    against: name,
  })),
  check: (answer, against) => checkNumbers(answer, against, 1e-4),
}
