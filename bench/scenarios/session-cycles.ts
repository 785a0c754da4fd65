/** Whether memory comes back when sessions are opened and closed (RT-17). */
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'session-cycles',
  question: 'How much more memory does a process hold after 1,000 sessions with runs of random sizes than after 100?',
  baseline: 'bare',
  variants: ['bare', 'selvedge'].map((kind) => ({
    name: kind,
    command: [process.execPath, 'bench/variants/session-cycles.ts', kind],
  })),
  check: (answer, against) => checkNumbers(answer, against, 1e-4),
}
