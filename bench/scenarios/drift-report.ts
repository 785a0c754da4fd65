/** How large a report of a host is. */
import type { Scenario } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'drift-report',
  question: 'How large is a report of 50 features of 64 bins, in JSON and compressed?',
  baseline: '50 rows, JSON',
  variants: [50, 500, 5000].flatMap((rows) =>
    ['json', 'gzip'].map((form) => ({
      name: `${rows.toLocaleString('en')} rows, ${form === 'json' ? 'JSON' : form}`,
      command: [process.execPath, 'bench/variants/drift-report.ts', String(rows), form] as const,
    })),
  ),
  check: (answer) => (answer === true ? undefined : 'the report has other rows'),
}
