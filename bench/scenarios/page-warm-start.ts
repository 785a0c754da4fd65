/** A later visit: model and runtime lie in the store of the page, each byte checked again, or in the HTTP cache. */
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'page-warm-start',
  question: 'How long from navigation to the first answer, for one who was here before?',
  baseline: 'no adapter, bare',
  variants: [
    ...variantsOf('wasm'),
    // Where there is one, the larger build that has both providers.
    ...variantsOf('jspi'),
  ],
  check: (answer, against) => checkNumbers(answer, against, 1e-5),
}

function variantsOf(build: 'wasm' | 'jspi'): Variant[] {
  const what = build === 'jspi' ? 'WebGPU adapter' : 'no adapter'
  return (['bare', 'selvedge'] as const).map((kind) => ({
    name: `${what}, ${kind}`,
    command: [process.execPath, 'bench/variants/page-first-answer.ts', 'small', build, kind],
    against: `${what}, bare`,
    absent: absentChromium,
  }))
}
