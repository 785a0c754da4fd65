/** What it costs to count a value, in Node and in a page. */
import { absentChromium } from '../chromium/stand.ts'
import type { Scenario, Variant } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'drift-count',
  question:
    'How long does it take to count a million values in 64 bins each? Milliseconds here are nanoseconds a value.',
  baseline: 'Node, bare loop',
  variants: (['node', 'page'] as const).flatMap((place) => [variant(place, 'bare'), variant(place, 'selvedge')]),
  check: (answer, against) => (answer === against ? undefined : `counted ${answer}, want ${against}`),
}

function variant(place: 'node' | 'page', kind: 'bare' | 'selvedge'): Variant {
  const where = place === 'node' ? 'Node' : 'page'
  return {
    name: kind === 'bare' ? `${where}, bare loop` : `${where}, profile`,
    command: [process.execPath, 'bench/variants/drift-count.ts', place, kind],
    against: `${where}, bare loop`,
    ...(place === 'page' && { absent: absentChromium }),
  }
}
