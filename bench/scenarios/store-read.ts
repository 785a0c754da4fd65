/** A model file of 200 MiB out of the page's store, proven and in one buffer. */
import { absentProc } from '../chromium/memory.ts'
import { absentChromium } from '../chromium/stand.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'store-read',
  question: 'How fast are 200 MiB read and verified in a new browser, and how much memory does it take?',
  baseline: 'read, bare',
  variants: [
    variant('read, bare', 'bare', 'time'),
    variant('read, selvedge', 'selvedge', 'time'),
    variant('peak, nothing but the buffer', 'buffer', 'peak'),
    variant('peak, bare', 'bare', 'peak'),
    variant('peak, selvedge', 'selvedge', 'peak'),
  ],
  check(answer, against) {
    const [got, wanted] = [JSON.stringify(answer), JSON.stringify(against)]
    return got === wanted ? undefined : `length and bytes ${got}, want ${wanted}`
  },
}

function variant(name: string, work: 'bare' | 'selvedge' | 'buffer', figure: 'time' | 'peak'): Variant {
  return {
    name,
    command: [process.execPath, 'bench/variants/store-read.ts', work, figure],
    ...(figure === 'peak' && { against: 'peak, nothing but the buffer' }),
    absent: () => absentChromium() ?? absentProc(),
  }
}
