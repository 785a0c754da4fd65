import { describe, expect, test } from 'vitest'
import type { Guard } from '../../../runtime/contract/rollout.ts'
import { adviseSteps } from '../../../runtime/rollout/steps.ts'
import { allGuards, release, usual } from './release.ts'

const errors: Guard[] = [{ metric: 'error_rate', margin: 0.01 }]
const plan = { steps: [1, 5, 25, 100], guards: errors, alpha: 0.05, minUnits: 500 }
const traffic = { unitsPerDay: 10_000, errorRate: 0.02, rowsPerUnit: 1 }

describe('steps of a rollout', () => {
  test('that are too small to promote are named, with steps that can', () => {
    const advice = adviseSteps(plan, traffic)
    expect(advice.steps.map(({ canPromote }) => canPromote)).toEqual([false, false, true, true])
    expect(advice.proposed).toEqual([10, 25, 100])
    expect(advice.text).toMatch(/^too small to promote, they can only stop: 1 % \(about \d+ units\), 5 %/)
    expect(adviseSteps({ ...plan, steps: advice.proposed ?? [] }, traffic).proposed).toBeUndefined()
  })

  test('all can where there is traffic enough, or no guard that asks for proof', () => {
    expect(adviseSteps(plan, { ...traffic, unitsPerDay: 1_000_000 }).text).toBe('every step can promote')
    expect(adviseSteps({ ...plan, guards: [], minUnits: 100 }, traffic).proposed).toBeUndefined()
  })

  test('of which none can are told so', () => {
    const advice = adviseSteps(plan, { ...traffic, unitsPerDay: 10 })
    expect(advice.proposed).toEqual([])
    expect(advice.text).toContain('no step can')
  })

  test('are judged by 50,000 units before any traffic was heard', () => {
    const advice = adviseSteps(plan, { ...traffic, unitsPerDay: 0 })
    expect(advice.steps.map(({ canPromote }) => canPromote)).toEqual([false, false, true, true])
    expect(advice.text).toContain('no traffic was heard yet')
  })

  test('promote an unchanged version after about as many units as was said', () => {
    const guards = allGuards.filter(({ metric }) => metric === 'error_rate')
    const said = adviseSteps({ ...plan, guards, steps: [25, 100] }, traffic).steps[0]?.units ?? 0
    const took = Array.from({ length: 11 }, (_, i) => {
      const { units } = release({
        green: usual,
        steps: [25, 100],
        guards,
        rows: 1,
        correlation: 0,
        mostUnits: 1e6,
        seed: 40 + i,
      })
      return units
    }).toSorted((a, b) => a - b)
    expect((took[5] ?? 0) / said).toBeGreaterThan(0.5)
    expect((took[5] ?? 0) / said).toBeLessThan(2)
  })
})
