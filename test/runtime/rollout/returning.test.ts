/** A small part of what `npm run proof` says of experiments without an effect whose units come back. */
import { expect, test } from 'vitest'
import { leavesZero } from './returning.ts'

test.each(['who buys', 'what they spend', 'what they spend, with CUPED'] as const)(
  'an experiment without an effect finds none in those who come back: %s',
  (kind) => {
    const left = Array.from({ length: 60 }, (_, i) => leavesZero(kind, 19e6 + i)).filter(Boolean).length
    // 5 % of 60, two standard errors up.
    expect(left).toBeLessThanOrEqual(6)
  },
)
