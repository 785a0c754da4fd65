/** What reading an unchanged plan costs over the least that the HTTP framework takes. */
import type { Scenario } from '../harness/scenario.ts'

export const scenario: Scenario = {
  name: 'registry-plan',
  question: 'How long do 1,000 plan reads with a matching ETag take on 64 connections, against one bare Hono route?',
  baseline: 'bare',
  variants: ['bare', 'selvedge'].map((kind) => ({
    name: kind,
    command: [process.execPath, 'bench/variants/registry-plan.ts', kind],
  })),
  check: (answer) => (String(answer) === '304' ? undefined : `statuses ${answer}, want 304 alone`),
}
