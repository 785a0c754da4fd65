/** What `connect` costs a page over bare onnxruntime-web in a worker of its own, and over the nearest peer, on WASM. */
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'
import { type ModelName, models } from '../workloads/models.ts'

const throughPage = ['bare', 'selvedge', 'peer'] as const
const allWays = [...throughPage, 'inside'] as const

const wordings = {
  bare: 'bare',
  selvedge: 'selvedge',
  peer: 'transformers.js in a worker',
  inside: 'bare in a loop in the worker',
}

export const scenario: Scenario = {
  name: 'page-infer',
  question: 'What does `infer` cost over a bare worker that is asked by postMessage with transfer?',
  baseline: 'small, bare',
  variants: [
    ...variantsOf('small', allWays),
    ...variantsOf('detector', allWays),
    ...variantsOf('mnist', throughPage),
    ...variantsOf('ultraface', throughPage),
  ],
  check: (answer, against) => checkNumbers(answer, against, 1e-5),
}

function variantsOf(model: ModelName, ways: readonly (keyof typeof wordings)[]): Variant[] {
  return ways.map((way) => ({
    name: `${model}, ${wordings[way]}`,
    command: [process.execPath, 'bench/variants/page-runs.ts', model, 'wasm', way],
    against: `${model}, bare`,
    absent: () => absentChromium() ?? models[model].absent?.(),
  }))
}
