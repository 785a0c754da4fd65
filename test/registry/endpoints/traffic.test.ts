import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { setTraffic, trafficOf } from '../../../registry/endpoints/rules.ts'
import type { EndpointState } from '../../../registry/store/store.ts'
import type { Endpoint, Traffic } from '../../../runtime/contract/control.ts'
import { type Fixture, linearFiles, openFixture, openServing, pushModel, sendJson } from '../fixture.ts'

async function readEndpoint(fixture: Fixture): Promise<Endpoint> {
  return (await (await fixture.request('/api/v1/endpoints/e')).json()) as Endpoint
}

async function moveTraffic(fixture: Fixture, body: unknown, etag?: string): Promise<Response> {
  const current = await fixture.request('/api/v1/endpoints/e/traffic')
  return await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', body, {
    'if-match': etag ?? current.headers.get('etag') ?? '',
  })
}

describe('deployments', () => {
  test('make their endpoint; the first takes all traffic and a later one none', async () => {
    await using fixture = await openServing()
    const { salt, deployments, traffic, ranges } = await readEndpoint(fixture)
    expect({ salt, traffic, ranges }).toEqual({
      salt: 'e:1',
      traffic: { split: { blue: 100, green: 0 } },
      ranges: [['blue', 0, 1_000_000]],
    })
    expect(deployments).toMatchObject([
      { name: 'blue', model: 'a', version: 1 },
      { name: 'green', model: 'a', version: 2 },
    ])
  })

  test('of a model or version that is not there are refused and make nothing', async () => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', '1')
    const cases: [unknown, number, string][] = [
      [{ model: 'b', version: 1 }, 404, 'NAME_UNKNOWN'],
      [{ model: 'a', version: 2 }, 404, 'NOT_FOUND'],
      [{ model: 'a', version: 0 }, 400, 'INVALID_REQUEST'],
      [{ model: 'a', version: 1, role: 'admin' }, 400, 'INVALID_REQUEST'],
    ]
    for (const [body, status, type] of cases) {
      const answer = await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', body)
      expect(await answer.json()).toMatchObject({ status, type })
    }
    expect((await fixture.request('/api/v1/endpoints/e')).status).toBe(404)
  })

  test('put again unchanged move nothing; with another version they keep their share', async () => {
    await using fixture = await openServing()
    const before = await readEndpoint(fixture)
    const put = (version: number) =>
      sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version })
    expect((await put(1)).status).toBe(200)
    expect(await readEndpoint(fixture)).toEqual(before)
    await put(2)
    const after = await readEndpoint(fixture)
    expect(after.ranges).toEqual(before.ranges)
    expect(after.revision).toBeGreaterThan(before.revision)
  })

  test('with traffic are not removed, nor is their endpoint', async () => {
    await using fixture = await openServing()
    for (const path of ['/api/v1/endpoints/e/deployments/blue', '/api/v1/endpoints/e']) {
      const answer = await fixture.request(path, { method: 'DELETE' })
      expect(await answer.json()).toMatchObject({ status: 409, type: 'IN_USE' })
    }
    expect((await fixture.request('/api/v1/endpoints/e/deployments/green', { method: 'DELETE' })).status).toBe(204)
    await moveTraffic(fixture, { split: { blue: 0 } })
    expect((await fixture.request('/api/v1/endpoints/e', { method: 'DELETE' })).status).toBe(204)
    expect((await fixture.request('/api/v1/endpoints/e/plan')).status).toBe(404)
  })

  test('of an endpoint that is made again get a new salt and a later revision', async () => {
    await using fixture = await openServing({ now: () => 1_000_000 })
    await moveTraffic(fixture, { split: {} })
    const { revision } = await readEndpoint(fixture)
    await fixture.request('/api/v1/endpoints/e', { method: 'DELETE' })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e', {})
    const again = await readEndpoint(fixture)
    expect(again).toMatchObject({ salt: 'e:2', deployments: [], ranges: [] })
    expect(again.revision).toBeGreaterThan(revision)
  })
})

describe('traffic', () => {
  test('moves exactly the share that must move', async () => {
    await using fixture = await openServing()
    const answer = await moveTraffic(fixture, { split: { blue: 90, green: 10 } })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ split: { blue: 90, green: 10 } })
    const { ranges, revision } = await readEndpoint(fixture)
    expect(answer.headers.get('etag')).toBe(`"${revision}"`)
    const green = ranges.filter(([name]) => name === 'green').reduce((sum, [, from, to]) => sum + to - from, 0)
    expect(green).toBe(100_000)
  })

  test('needs If-Match: 428 without, 412 when stale', async () => {
    await using fixture = await openServing()
    const stale = (await fixture.request('/api/v1/endpoints/e/traffic')).headers.get('etag') ?? ''
    const body = { split: { blue: 50, green: 50 } }
    const without = await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', body)
    expect(await without.json()).toMatchObject({ status: 428, type: 'PRECONDITION_REQUIRED' })
    await moveTraffic(fixture, { split: { blue: 80, green: 20 } })
    expect(await (await moveTraffic(fixture, body, stale)).json()).toMatchObject({ status: 412 })
    expect((await readEndpoint(fixture)).traffic).toEqual({ split: { blue: 80, green: 20 } })
    expect((await moveTraffic(fixture, body, `"1", ${stale}, *`)).status).toBe(200)
  })

  test('AP-18 of two that read the same state one wins', async () => {
    await using fixture = await openServing()
    const etag = (await fixture.request('/api/v1/endpoints/e/traffic')).headers.get('etag') ?? ''
    const answers = await Promise.all(
      [10, 20, 30, 40].map((green) => moveTraffic(fixture, { split: { blue: 100 - green, green } }, etag)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412])
  })

  test('AP-17 a split that is none is refused, and the one before is served bit for bit', async () => {
    await using fixture = await openServing()
    await moveTraffic(fixture, { split: { blue: 70, green: 30 } })
    const before = await (await fixture.request('/api/v1/endpoints/e/plan')).text()
    const arms = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`arm${i}`, 0.1]))
    const bad: [unknown, number][] = [
      [{ split: { blue: 99 } }, 422],
      [{ split: { blue: 99.999 } }, 422],
      [{ split: { blue: 110, green: -10 } }, 422],
      [{ split: { blue: 100, green: 1e-320 } }, 422],
      [{ split: { blue: 99.99999, green: 0.00001 } }, 422],
      [{ split: { blue: '100' } }, 422],
      [{ split: { blue: 50, red: 50 } }, 422],
      [{ split: { blue: 100 }, shadow: { deployment: 'red', percent: 5 } }, 422],
      [{ split: { blue: 100 }, shadow: { deployment: 'green', percent: 0.00001 } }, 422],
      [{ split: arms }, 422],
      ['{"split":{"blue":50,"blue":100}}', 400],
      [{ split: { blue: 100 }, steps: [] }, 400],
      [{}, 422],
    ]
    for (const [body, status] of bad)
      expect({ body, status: (await moveTraffic(fixture, body)).status }).toEqual({ body, status })
    expect(await (await fixture.request('/api/v1/endpoints/e/plan')).text()).toBe(before)
  })

  test('of zeros serves nothing, and from there anything can follow', async () => {
    await using fixture = await openServing()
    expect((await moveTraffic(fixture, { split: { blue: 0, green: 0 } })).status).toBe(200)
    expect((await readEndpoint(fixture)).ranges).toEqual([])
    expect((await moveTraffic(fixture, { split: { green: 100 } })).status).toBe(200)
  })

  test('carries a shadow', async () => {
    await using fixture = await openServing()
    const body = { split: { blue: 100, green: 0 }, shadow: { deployment: 'green', percent: 12.5 } }
    expect(await (await moveTraffic(fixture, body)).json()).toEqual(body)
    const refused = await fixture.request('/api/v1/endpoints/e/deployments/green', { method: 'DELETE' })
    expect(refused.status).toBe(409)
  })

  test('is read back as it was set, for any split', () => {
    const state: EndpointState = {
      name: 'e',
      createdAt: '2026-11-24T10:00:00.000Z',
      scheme: 'murmur3-ppm-1',
      salt: 'e:1',
      revision: 1,
      issuedAt: 1,
      deployments: ['a', 'b', 'c'].map((name) => ({ name, model: 'm', version: 1, createdAt: '' })),
      ranges: [],
    }
    const share = fc.integer({ min: 0, max: 1_000_000 })
    fc.assert(
      fc.property(share, share, share, share, (first, second, third, fourth) => {
        const split = (one: number, two: number): Traffic => {
          const [low, high] = [Math.min(one, two), Math.max(one, two)]
          return { split: { a: low / 10_000, b: (high - low) / 10_000, c: (1_000_000 - high) / 10_000 } }
        }
        const before = setTraffic(state, split(first, second))
        expect(trafficOf(before)).toEqual(split(first, second))
        expect(trafficOf(setTraffic(before, split(third, fourth)))).toEqual(split(third, fourth))
      }),
    )
  })
})

test('a registry that starts again serves the same split, and 64 deployments are the most', async () => {
  await using fixture = await openServing()
  await moveTraffic(fixture, { split: { blue: 33.3333, green: 66.6667 } })
  const before = await readEndpoint(fixture)
  await fixture.restart()
  expect(await readEndpoint(fixture)).toEqual(before)
  await pushModel(fixture, 'a', '3', linearFiles([5, 6]))
  for (let i = 2; i < 64; i++) {
    await sendJson(fixture, 'PUT', `/api/v1/endpoints/e/deployments/d${i}`, { model: 'a', version: 3 })
  }
  const answer = await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/more', { model: 'a', version: 3 })
  expect(await answer.json()).toMatchObject({ type: 'IN_USE' })
  expect((await fixture.request('/api/v1/endpoints/e/plan')).status).toBe(200)
})
