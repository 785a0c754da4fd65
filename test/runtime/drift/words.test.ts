import { describe, expect, test } from 'vitest'
import type { DriftReport } from '../../../runtime/contract/monitor.ts'
import { promisesOf, signed, tens } from '../../../runtime/drift/words.ts'

describe('what a monitor reports in words', () => {
  test('gives no sign to what rounds to 0', () => {
    expect([tens(-0.01), tens(0.01), tens(-Math.LN10), tens(20 * Math.LN10)]).toEqual(['0.0', '0.0', '-1.0', '20.0'])
    expect([signed(-0.001, 0.02), signed(0.31, undefined), signed(-0.5, 0.1)]).toEqual([
      '0.00 ± 0.02',
      '+0.31',
      '-0.50 ± 0.10',
    ])
  })

  test.each([
    ['senders', 'Rows of two senders'],
    ['units', 'Hosts told whose rows are one unit’s'],
    ['windows', 'the operator’s promise that rows 2h apart are unrelated'],
  ] as const)('says what its verdicts rest on where clusters are %s', (clustering, said) => {
    const report = { clustering, rows: 4000, monitor: { block: '2h' } } as DriftReport
    expect(promisesOf(report)).toEqual([expect.stringContaining(said)])
    expect(promisesOf({ ...report, untrusted: 3000 })).toEqual([
      expect.stringContaining(said),
      expect.stringContaining('3,000 of 4,000 rows came with page tokens'),
    ])
  })
})
