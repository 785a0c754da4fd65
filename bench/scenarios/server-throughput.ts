/** How many requests a scoring server answers, against a handler that people write themselves. */
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'
import { absentWrk } from '../node/wrk.ts'
import { type ModelName, models } from '../workloads/models.ts'

const wordings = { 'bare-1': 'handler, one thread', bare: 'handler', selvedge: 'selvedge' }

export const scenario: Scenario = {
  name: 'server-throughput',
  question: 'How long do 1,000 requests take that keep a scoring server busy, against ONNX Runtime in a Hono handler?',
  baseline: 'small, binary, handler, one thread',
  variants: [
    ...variantsOf('small', 'binary', 64),
    ...variantsOf('small', 'json', 64),
    ...variantsOf('mnist', 'binary', 64),
    ...variantsOf('mnist', 'json', 64),
    ...variantsOf('ultraface', 'binary', 16),
    ...variantsOf('ultraface', 'json', 16),
  ],
  check: (answer, against) => checkNumbers(answer, against, 1e-4),
}

function variantsOf(model: ModelName, form: 'binary' | 'json', connections: number): Variant[] {
  return (['bare-1', 'bare', 'selvedge'] as const).map((kind) => ({
    name: `${model}, ${form}, ${wordings[kind]}`,
    command: [process.execPath, 'bench/variants/server-load.ts', kind, model, form, String(connections), 'time'],
    against: `${model}, ${form}, ${wordings['bare-1']}`,
    absent: () => absentWrk() ?? models[model].absent?.(),
  }))
}
