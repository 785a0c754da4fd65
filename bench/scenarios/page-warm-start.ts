/** A later visit: model and runtime lie in the store of the page, each byte checked again, or in the HTTP cache. */
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'page-warm-start',
  question: 'How long from navigation to the first answer, for one who was here before?',
  baseline: 'small, bare',
  variants: [...variantsOf('small'), ...variantsOf('detector')],
  check: (answer, against) => checkNumbers(answer, against, 1e-5),
}

function variantsOf(model: 'small' | 'detector'): Variant[] {
  return (['bare', 'selvedge'] as const).map((kind) => ({
    name: `${model}, ${kind}`,
    command: [process.execPath, 'bench/variants/page-first-answer.ts', model, kind],
    against: `${model}, bare`,
    absent: absentChromium,
  }))
}
