import { describe, expect, test } from 'vitest'
import type { Resources } from '../../../runtime/contract/resources.ts'
import { verifyPlan } from '../../../runtime/plan/plan.ts'
import { type Fixture, openServing, sendJson } from '../fixture.ts'

const blue = '/api/v1/endpoints/e/deployments/blue'

function putBlue(fixture: Fixture, resources?: unknown): Promise<Response> {
  return sendJson(fixture, 'PUT', blue, { model: 'a', version: 1, resources })
}

async function planOf(fixture: Fixture) {
  return await verifyPlan(await (await fixture.request('/api/v1/endpoints/e/plan')).text(), [fixture.registry.key])
}

describe('resources of a deployment', () => {
  test('are told by the registry and stand in the plan; a deployment without any has none there', async () => {
    await using fixture = await openServing()
    const resources = { batchRows: 32, batchDelayMs: 2.5, threads: 2, memoryMiB: 512, scorers: 1 }
    expect(await (await putBlue(fixture, resources)).json()).toMatchObject({ name: 'blue', resources })
    expect(await (await fixture.request(blue)).json()).toMatchObject({ resources })
    const { deployments } = await planOf(fixture)
    expect(deployments.map((each) => [each.name, each.resources])).toEqual([
      ['blue', resources],
      ['green', undefined],
    ])
    expect(deployments[1]).not.toHaveProperty('resources')
  })

  test('changed alone make a new revision and move no traffic; the same ones in another order make none', async () => {
    await using fixture = await openServing()
    const before = await planOf(fixture)
    await putBlue(fixture, { threads: 2, scorers: 1 })
    const after = await planOf(fixture)
    expect(after.revision).toBeGreaterThan(before.revision)
    expect(after.ranges).toEqual(before.ranges)
    await putBlue(fixture, { scorers: 1, threads: 2 })
    expect((await planOf(fixture)).revision).toBe(after.revision)
  })

  test.each([undefined, {}])('that %j replaces go back to their defaults', async (none) => {
    await using fixture = await openServing()
    await putBlue(fixture, { threads: 2 })
    expect(await (await putBlue(fixture, none)).json()).not.toHaveProperty('resources')
    expect((await planOf(fixture)).deployments[0]).not.toHaveProperty('resources')
  })

  test.each<[keyof Resources, number[]]>([
    ['batchRows', [0, 4097, 1.5]],
    ['batchDelayMs', [-1, 1001]],
    ['threads', [0, 257]],
    ['memoryMiB', [0, 1_048_577]],
    ['scorers', [0, 257]],
  ])('%s out of its range is refused and changes nothing', async (resource, values) => {
    await using fixture = await openServing()
    const { revision } = await planOf(fixture)
    for (const value of values) {
      const answer = await putBlue(fixture, { [resource]: value })
      expect(await answer.json()).toMatchObject({ status: 400, type: 'INVALID_REQUEST' })
    }
    expect((await planOf(fixture)).revision).toBe(revision)
  })

  test('of unknown names are refused', async () => {
    await using fixture = await openServing()
    const answer = await putBlue(fixture, { gpus: 1 })
    expect(await answer.json()).toMatchObject({ status: 400, type: 'INVALID_REQUEST' })
  })
})
