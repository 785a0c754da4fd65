import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkOutcome, openUnits } from '../../../runtime/assignment/units.ts'
import { outcomeValues } from '../../../runtime/contract/telemetry.ts'

describe('an outcome', () => {
  test.each([
    ['no number', { sold: Number.NaN }],
    ['a number without end', { sold: Number.POSITIVE_INFINITY }],
    ['a number whose sums are none', { sold: 1e200 }],
    ['a long text', { why: 'x'.repeat(257) }],
    ['an object', { sold: { at: 1 } }],
    ['an empty name', { '': true }],
    ['no values', undefined],
  ])('that is %s is refused where it is told, since the registry would refuse all of its report', (_, values) => {
    const units = openUnits()
    expect(() => units.outcome('ada', values as never)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }))
    expect(units.oldest(1)).toEqual([])
  })

  test('that is taken survives its way as JSON', () => {
    const values = fc.dictionary(fc.string(), fc.oneof(fc.boolean(), fc.double(), fc.string({ maxLength: 300 })))
    fc.assert(
      fc.property(values, (told) => {
        const taken = (() => {
          try {
            return checkOutcome(told)
          } catch {
            return undefined
          }
        })()
        if (taken !== undefined) expect(outcomeValues.safeParse(JSON.parse(JSON.stringify(taken))).success).toBe(true)
      }),
    )
  })
})
