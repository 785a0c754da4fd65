/** Memory that a session takes while it comes to be, and what it costs its runs. */
import { absentProc } from '../chromium/memory.ts'
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

const kinds = ['bare', 'selvedge'] as const

export const scenario: Scenario = {
  name: 'session-memory',
  question: 'How many times the weights does a page hold at most until a session answers, and does it run as fast?',
  baseline: 'peak, filters, bare',
  variants: (['filters', 'matrices'] as const).flatMap((model): Variant[] => [
    ...kinds.map((kind) => ({
      name: `peak, ${model}, ${kind}`,
      command: [process.execPath, 'bench/variants/session-memory.ts', model, kind] as const,
      against: `peak, ${model}, bare`,
      absent: () => absentChromium() ?? absentProc(),
    })),
    ...kinds.map((kind) => ({
      name: `run, ${model}, ${kind}`,
      command: [process.execPath, 'bench/variants/page-runs.ts', model, 'wasm', kind] as const,
      against: `run, ${model}, bare`,
      absent: absentChromium,
    })),
    {
      name: `run, ${model}, bare without packed weights`,
      command: [process.execPath, 'bench/variants/unpacked-weights.ts', model],
      against: `run, ${model}, bare`,
    },
  ]),
  check: (answer, against) => checkNumbers(answer, against, 1e-3),
}
