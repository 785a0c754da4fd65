/** How long a request takes at most, and how long health takes, while a scoring server is as busy as it can be. */
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'
import { absentWrk } from '../node/wrk.ts'
import { type ModelName, models } from '../workloads/models.ts'

const wordings = { 'bare-1': 'handler, one thread', selvedge: 'selvedge' }

export const scenario: Scenario = {
  name: 'server-latency',
  question: 'What is the 99th percentile of a request, and of health beside it, while the server is saturated?',
  baseline: 'small, p99, handler, one thread',
  variants: [
    ...variantsOf('small', 64, 'p99'),
    ...variantsOf('small', 64, 'health'),
    ...variantsOf('ultraface', 16, 'p99'),
    ...variantsOf('ultraface', 16, 'health'),
  ],
  check: (answer, against) => checkNumbers(answer, against, 1e-4),
}

function variantsOf(model: ModelName, connections: number, figure: 'p99' | 'health'): Variant[] {
  return (['bare-1', 'selvedge'] as const).map((kind) => ({
    name: `${model}, ${figure}, ${wordings[kind]}`,
    command: [process.execPath, 'bench/variants/server-load.ts', kind, model, 'binary', String(connections), figure],
    against: `${model}, ${figure}, ${wordings['bare-1']}`,
    absent: () => absentWrk() ?? models[model].absent?.(),
  }))
}
