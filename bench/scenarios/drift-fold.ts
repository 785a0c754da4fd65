/** How many reports with counts a registry takes. */
import type { Scenario } from '../harness/scenario.ts'

const works = { rows: 'numbers of rows alone', counts: 'counts of 50 features' }

export const scenario: Scenario = {
  name: 'drift-fold',
  question: 'How long do 1,000 reports of 1,000 senders take over HTTP with the counts of 50 features of 64 bins?',
  baseline: works.rows,
  variants: Object.entries(works).map(([work, name]) => ({
    name,
    command: [process.execPath, 'bench/variants/drift-fold.ts', work],
  })),
  check: (answer, against) => (answer === against ? undefined : `kept ${answer} rows, want ${against}`),
}
