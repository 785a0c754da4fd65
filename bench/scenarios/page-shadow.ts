/** What a shadow in the page costs those who wait for an answer. */
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'page-shadow',
  question: 'What does a shadow of every request add to the 95th percentile, where requests come at random times?',
  baseline: 'small, alone',
  variants: [...variantsOf('small'), ...variantsOf('detector')],
  check: (answer, against) => checkNumbers(answer, against, 1e-5),
}

function variantsOf(model: 'small' | 'detector'): Variant[] {
  return (['alone', 'shadowed'] as const).map((way) => ({
    name: `${model}, ${way}`,
    command: [process.execPath, 'bench/variants/page-shadow.ts', model, way],
    against: `${model}, alone`,
    absent: absentChromium,
  }))
}
