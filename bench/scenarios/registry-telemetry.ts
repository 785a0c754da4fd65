/** What it costs that a report is on the disk before it is acknowledged, when a thousand senders report at once. */
import type { Scenario } from '../harness/scenario.ts'

const works = {
  single: 'one commit a report, the store alone',
  groups: 'commits of what came together, the store alone',
  http: 'commits of what came together, over HTTP',
}

export const scenario: Scenario = {
  name: 'registry-telemetry',
  question: 'How long do the reports of 1,000 senders take until all are on the disk and acknowledged?',
  baseline: works.single,
  variants: Object.entries(works).map(([work, name]) => ({
    name,
    command: [process.execPath, 'bench/variants/registry-telemetry.ts', work],
  })),
  check: (answer, against) => (String(answer) === String(against) ? undefined : `kept ${answer}, want ${against}`),
}
