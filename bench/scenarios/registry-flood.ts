/** Whether one page token that sends as fast as the registry answers makes others wait (threat TE-03). */
import type { Scenario } from '../harness/scenario.ts'

const variant = (name: string, flood: string) => ({
  name,
  command: [process.execPath, 'bench/variants/registry-flood.ts', flood] as const,
})

const alone = variant('no flood', 'none')

export const scenario: Scenario = {
  name: 'registry-flood',
  question:
    'How long does the report of another token take, 99th percentile of a minute, while one floods the registry?',
  baseline: alone.name,
  variants: [alone, variant('a flood from 16 connections', 'flood')],
  check: (answer, against) => (String(answer) === String(against) ? undefined : `counted ${answer}, want ${against}`),
}
