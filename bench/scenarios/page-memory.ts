/** What stays of many loads; takes up to half an hour: `npm run bench -- page-memory --rounds 1 --timeout 1200`. */
import { absentProc } from '../chromium/memory.ts'
import { absentChromium } from '../chromium/stand.ts'
import { checkNumbers } from '../harness/answers.ts'
import type { Scenario } from '../harness/scenario.ts'

const loads = 1000

export const scenario: Scenario = {
  name: 'page-memory',
  question: `By how much has the memory of a page grown after ${loads} loads and closes, over that after 10?`,
  baseline: 'bare',
  variants: (['bare', 'selvedge'] as const).map((kind) => ({
    name: kind,
    command: [process.execPath, 'bench/variants/page-memory.ts', kind, String(loads)],
    absent: () => absentChromium() ?? absentProc(),
  })),
  check: (answer, against) => checkNumbers(answer, against, 1e-5),
}
