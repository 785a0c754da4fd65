import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { GuardResult } from '../../../runtime/contract/rollout.ts'
import { decide } from '../../../runtime/rollout/decide.ts'

const began = Date.parse('2026-11-24T10:00:00Z')
const plan = { steps: [5, 25, 100], step: 0, hold: '10m', minUnits: 500, stepStartedAt: '2026-11-24T10:00:00.000Z' }
const later = began + 10 * 60_000

function result(verdict: GuardResult['verdict'], proves = true): GuardResult {
  return { guard: { metric: 'error_rate', margin: 0.01 }, verdict, proves, comparisons: [] }
}

describe('a rollout', () => {
  test('advances once time, units and proof are there, and completes with its last step', () => {
    const evidence = { units: 500, guards: [result('fine')] }
    expect(decide(plan, evidence, later)).toEqual({ action: 'advance', reasons: [] })
    expect(decide({ ...plan, step: 1 }, evidence, later)).toEqual({ action: 'complete', reasons: [] })
    expect(decide({ ...plan, steps: [5, 25], step: 1 }, evidence, later)).toEqual({ action: 'complete', reasons: [] })
  })

  test('holds with too little traffic, and says what it waits for', () => {
    expect(decide(plan, { units: 3, guards: [result('open')] }, began + 9 * 60_000)).toEqual({
      action: 'hold',
      reasons: ['60 s of its 10m', 'units: 3 of 500', 'proof of error_rate'],
    })
  })

  test('does not wait for a guard that can only stop', () => {
    expect(decide(plan, { units: 500, guards: [result('open', false)] }, later).action).toBe('advance')
  })

  test('goes back at once for a proven breach, whatever else it waits for', () => {
    const evidence = { units: 3, guards: [result('fine'), result('worse', false)] }
    expect(decide(plan, evidence, began)).toEqual({ action: 'revert', reasons: ['error_rate'] })
  })

  test('never advances with a guard that is open, never goes back without one that is worse', () => {
    const verdicts = fc.array(fc.tuple(fc.constantFrom('fine', 'worse', 'open'), fc.boolean()), { maxLength: 6 })
    fc.assert(
      fc.property(verdicts, fc.nat(1000), fc.integer({ min: 0, max: 3_000_000 }), (all, units, passed) => {
        const guards = all.map(([verdict, proves]) => result(verdict as GuardResult['verdict'], proves))
        const { action } = decide(plan, { units, guards }, began + passed)
        const isBroken = guards.some(({ verdict }) => verdict === 'worse')
        const isProven = guards.every(({ verdict, proves }) => verdict === 'fine' || !proves)
        expect(action === 'revert').toBe(isBroken)
        if (action === 'advance') expect([isProven, units >= 500, passed >= 600_000]).toEqual([true, true, true])
      }),
    )
  })
})
