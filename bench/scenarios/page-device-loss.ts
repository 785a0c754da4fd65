/** What a page waits for when its WebGPU device goes; a bare one ends its worker and starts another. */
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'page-device-loss',
  question: 'How long from the loss of the WebGPU device to an answer, and until WebGPU answers again?',
  baseline: 'answer, bare',
  variants: [...variantsOf('answer'), ...variantsOf('webgpu')],
  check: (answer, against) => checkNumbers(answer, against, 1e-5),
}

function variantsOf(until: 'answer' | 'webgpu'): Variant[] {
  const what = until === 'answer' ? 'answer' : 'WebGPU again'
  return (['bare', 'selvedge'] as const).map((kind) => ({
    name: `${what}, ${kind}`,
    command: [process.execPath, 'bench/variants/page-device-loss.ts', until, kind],
    against: `${what}, bare`,
    absent: absentChromium,
  }))
}
