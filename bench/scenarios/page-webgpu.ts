/** The same as `page-infer` on WebGPU; on a software adapter unless the machine has another. */
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'page-webgpu',
  question: 'What does `infer` on WebGPU cost over a bare worker with WebGPU?',
  baseline: 'small, bare',
  variants: (['bare', 'selvedge'] as const).map((kind) => ({
    name: `small, ${kind}`,
    command: [process.execPath, 'bench/variants/page-runs.ts', 'small', 'webgpu', kind],
    absent: absentChromium,
  })),
  check: (answer, against) => checkNumbers(answer, against, 1e-5),
}
