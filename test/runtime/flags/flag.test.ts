import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type Plan, plan as planSchema } from '../../../runtime/contract/plan.ts'
import { flagOf } from '../../../runtime/flags/flag.ts'

const golden: Plan = planSchema.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
)
const [deployment] = golden.deployments
if (deployment === undefined) throw new Error('the plan has no deployment')
const blue = { ...deployment, name: 'blue', model: 'digits', version: 3 }
const green = { ...deployment, name: 'green', model: 'digits', version: 4 }
const { audience: _, ...rest } = golden
const plan: Plan = { ...rest, deployments: [blue, green], ranges: [['blue', 0, 1_000_000]] }
const halves: Plan['ranges'] = [
  ['blue', 0, 500_000],
  ['green', 500_000, 1_000_000],
]
const before = Date.parse(plan.expiresAt) - 1
const ofBlue = { deployment: 'blue', version: 3, model: 'digits', manifest: deployment.manifest }

function reasonOf(changes: Partial<Plan>, caller = {}, now = before): unknown[] {
  const flag = flagOf({ ...plan, ...changes }, { unit: 'user-1', ...caller }, now)
  return [flag?.reason, flag?.isBySplit]
}

describe('a flag', () => {
  test('has the deployment, its model and version', () => {
    expect(flagOf(plan, { unit: 'user-1' }, before)?.value).toEqual(ofBlue)
  })

  test('says why: everybody has it, a split, the audience, none of it', () => {
    const audience = { where: [{ attribute: 'country', equals: 'PL' }], otherwise: 'green' }
    expect(reasonOf({})).toEqual(['STATIC', true])
    expect(reasonOf({ ranges: halves })).toEqual(['SPLIT', true])
    expect(reasonOf({ audience }, { attributes: { country: 'PL' } })).toEqual(['TARGETING_MATCH', true])
    expect(reasonOf({ audience, ranges: halves }, { attributes: { country: 'PL' } })).toEqual(['SPLIT', true])
    expect(reasonOf({ audience }, { attributes: { country: 'DE' } })).toEqual(['DEFAULT', false])
  })

  test('is stale from the end of its plan on, and the same as before', () => {
    expect(reasonOf({ ranges: halves }, {}, before + 1)).toEqual(['STALE', true])
    const values = [before, before + 1].map(
      (now) => flagOf({ ...plan, ranges: halves }, { unit: 'user-1' }, now)?.value,
    )
    expect(values[1]).toEqual(values[0])
  })

  test('is none while nothing gets traffic', () => {
    expect(flagOf({ ...plan, ranges: [] }, { unit: 'user-1' }, before)).toBeUndefined()
  })

  test('of an ensemble has the versions of its steps, in order', () => {
    const io = { name: 'x', datatype: 'FP32' as const, shape: [1] }
    const step = (place: number) => ({ deployment: `both/${place}`, inputs: {}, outputs: {} })
    const ensemble = { name: 'both', version: 77, inputs: [io], outputs: [io], steps: [step(1), step(2)] }
    const changes: Partial<Plan> = {
      deployments: [
        { ...green, name: 'both/2' },
        { ...blue, name: 'both/1' },
      ],
      ensembles: [ensemble],
      ranges: [['both', 0, 1_000_000]],
    }
    expect(flagOf({ ...plan, ...changes }, {}, before)?.value).toEqual({
      deployment: 'both',
      version: 77,
      steps: [
        { model: 'digits', version: 3 },
        { model: 'digits', version: 4 },
      ],
    })
  })
})
