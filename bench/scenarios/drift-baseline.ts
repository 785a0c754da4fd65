/** What a baseline of a million rows costs. */
import type { Scenario, Variant } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'drift-baseline',
  question: 'How long does a baseline of a million rows of eight numbers take from a CSV file, and how much memory?',
  baseline: 'time, parsed and thrown away',
  variants: (['ms', 'bytes'] as const).flatMap((unit): Variant[] => {
    const what = unit === 'ms' ? 'time' : 'memory'
    const command = (kind: string): Variant['command'] => [
      process.execPath,
      'bench/variants/drift-baseline.ts',
      kind,
      unit,
    ]
    const against = `${what}, parsed and thrown away`
    return [
      { name: against, command: command('bare'), against },
      { name: `${what}, surveyed and counted`, command: command('selvedge'), against },
    ]
  }),
  check: (answer, against) => (answer === against ? undefined : `counted ${answer} rows, want ${against}`),
}
