import { describe, expect, test } from 'vitest'
import type { Endpoint } from '../../../runtime/contract/control.ts'
import { type Fixture, openServing, sendJson } from '../fixture.ts'

async function setAssignment(fixture: Fixture, assignment: unknown): Promise<Endpoint & { type?: string }> {
  const answer = await sendJson(fixture, 'PUT', '/api/v1/endpoints/e', { assignment })
  return (await answer.json()) as Endpoint
}

async function planOf(fixture: Fixture) {
  const [, payload = ''] = (await (await fixture.request('/api/v1/endpoints/e/plan')).text()).split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString())
}

describe('how units are assigned', () => {
  test('is told to hosts: scheme, salt and audience stand in the plan', async () => {
    await using fixture = await openServing()
    expect(await planOf(fixture)).toMatchObject({ scheme: 'murmur3-ppm-1', salt: 'e:1' })
    const audience = { where: [{ attribute: 'country', in: ['de', 'at'] }], otherwise: 'blue' }
    const set = await setAssignment(fixture, { scheme: 'growthbook-2', salt: 'checkout-test', audience })
    expect(set).toMatchObject({ scheme: 'growthbook-2', salt: 'checkout-test', audience })
    expect(await planOf(fixture)).toMatchObject({ scheme: 'growthbook-2', salt: 'checkout-test', audience })
  })

  test('set again changes nothing; without one an endpoint keeps what it has', async () => {
    await using fixture = await openServing()
    const assignment = { scheme: 'flagd-2', salt: 'flag' }
    const { revision } = await setAssignment(fixture, assignment)
    expect((await setAssignment(fixture, assignment)).revision).toBe(revision)
    const kept = (await (await sendJson(fixture, 'PUT', '/api/v1/endpoints/e', {})).json()) as Endpoint
    expect(kept).toMatchObject({ ...assignment, revision })
  })

  test('of an audience names a deployment for the others, which then stays', async () => {
    await using fixture = await openServing()
    expect(await setAssignment(fixture, { audience: { otherwise: 'violet' } })).toMatchObject({
      type: 'TRAFFIC_INVALID',
    })
    await setAssignment(fixture, { audience: { otherwise: 'green' } })
    const removal = await fixture.request('/api/v1/endpoints/e/deployments/green', { method: 'DELETE' })
    expect([removal.status, await removal.json()]).toMatchObject([409, { type: 'IN_USE' }])
    await setAssignment(fixture, {})
    expect((await fixture.request('/api/v1/endpoints/e/deployments/green', { method: 'DELETE' })).status).toBe(204)
  })

  test('outlasts a restart', async () => {
    await using fixture = await openServing()
    await setAssignment(fixture, { scheme: 'unleash-rollout', salt: 'group' })
    await fixture.restart()
    expect(await planOf(fixture)).toMatchObject({ scheme: 'unleash-rollout', salt: 'group' })
  })
})
