/** A thousand hosts that wait for a plan: how soon all are told, and what others feel of it. */
import type { Scenario } from '../harness/scenario.ts'

const figures = {
  told: 'until the last of 1,000 hosts has the new plan',
  reads: 'slowest hundredth of other plan reads meanwhile',
}

export const scenario: Scenario = {
  name: 'registry-poll',
  question: 'How soon are 1,000 hosts in long poll told of a change of traffic, and how long do other reads take then?',
  baseline: figures.told,
  variants: Object.entries(figures).map(([figure, name]) => ({
    name,
    command: [process.execPath, 'bench/variants/registry-poll.ts', figure],
    against: name,
  })),
  check: (answer) => (answer === 5000 ? undefined : `${answer} hosts were told, want 5,000`),
}
