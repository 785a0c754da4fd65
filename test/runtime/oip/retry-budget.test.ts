import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openRetryBudget, savedRetries } from '../../../runtime/oip/retry-budget.ts'

describe('the retry budget', () => {
  test('grants at most a tenth of any requests in a row, beside the ten that are saved', () => {
    const steps = fc.array(fc.constantFrom('request', 'retry'), { maxLength: 400 })
    fc.assert(
      fc.property(steps, (all) => {
        const budget = openRetryBudget()
        const granted = all.map((step) => {
          if (step === 'retry') return budget.take()
          budget.earn()
          return false
        })
        for (let from = 0; from < all.length; from += 7) {
          const requests = all.slice(from).filter((step) => step === 'request').length
          const retries = granted.slice(from).filter(Boolean).length
          expect(retries).toBeLessThanOrEqual(savedRetries + requests / 10)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('never refuses one in ten', () => {
    const gaps = fc.array(fc.integer({ min: 10, max: 50 }), { maxLength: 100 })
    fc.assert(
      fc.property(gaps, (all) => {
        const budget = openRetryBudget()
        for (const requests of all) {
          for (let i = 0; i < requests; i++) budget.earn()
          expect(budget.take()).toBe(true)
        }
      }),
    )
  })

  test('saves no more than ten, however long nothing fails', () => {
    const budget = openRetryBudget()
    for (let i = 0; i < 10_000; i++) budget.earn()
    const granted = Array.from({ length: 20 }, () => budget.take())
    expect(granted.filter(Boolean)).toHaveLength(10)
  })
})
