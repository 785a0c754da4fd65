import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openOipClient } from '../../runtime/oip/client.ts'
import { sendJson } from '../registry/fixture.ts'
import { type RunningRegistry, startRegistry } from './fixtures/registry.ts'
import { type RunningServer, startServer } from './fixtures/server.ts'

/** Green has all of the split, which is for callers from Germany alone; blue answers the others. */
const audience = { where: [{ attribute: 'country', equals: 'de' }], otherwise: 'blue' }

describe('an endpoint with an audience', { timeout: 30_000 }, () => {
  let registry: RunningRegistry
  let server: RunningServer

  beforeEach(async () => {
    registry = await startRegistry()
    await registry.moveTraffic({ green: 100 })
    const set = await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/e', { assignment: { audience } })
    if (!set.ok) throw new Error(await set.text())
    server = await startServer(registry, '--scorers', '1')
    await server.untilReady('e')
  })

  afterEach(async () => {
    await server[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  const score = (headers: Record<string, string>) =>
    fetch(`${server.url}/v2/models/e/score`, { method: 'POST', headers, body: '{"records":[{"a":1,"b":2}]}' })

  test('asks the attributes that a request says', async () => {
    const deployments = await Promise.all(
      ['{"country":"de"}', '{"country":"fr"}', ''].map(async (attributes) => {
        const answer = await score({ 'selvedge-attributes': attributes })
        return answer.headers.get('selvedge-deployment')
      }),
    )
    expect(deployments).toEqual(['green', 'blue', 'blue'])
    const client = openOipClient(server.url)
    const { deployment } = await client.score('e', [{ a: 1, b: 2 }], { attributes: { country: 'de' } })
    expect(deployment).toBe('green')
  })

  test('refuses attributes that are no object of values', async () => {
    for (const wrong of ['de', '[1]', '{"country":{"name":"de"}}']) {
      const answer = await score({ 'selvedge-attributes': wrong })
      expect([answer.status, answer.headers.get('selvedge-error')]).toEqual([400, 'INVALID_REQUEST'])
    }
  })
})
