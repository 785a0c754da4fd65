import { describe, expect, test } from 'vitest'
import type { DriftReport } from '../../../runtime/contract/monitor.ts'
import { recompute } from '../../../runtime/drift/report.ts'
import { openRandom } from '../../runtime/drift/random.ts'
import { openServing, sendJson } from '../fixture.ts'
import { at, draw, drift, openMonitored, post, quick, reportsOf } from './fixture.ts'

const monitors = '/api/v1/endpoints/e/monitors'

describe('monitors of an endpoint', () => {
  test('are one named default where a version with a baseline is deployed, and none elsewhere', async () => {
    await using fixture = await openMonitored()
    const listed = (await (await fixture.request(monitors)).json()) as { items: { name: string }[] }
    expect(listed.items).toEqual([
      {
        name: 'default',
        signal: 'drift',
        window: '1h',
        block: '1h',
        season: 'day',
        baseline: 'training',
        alpha: 0.05,
        limits: { location: 0.2, missing: 0.05, loss: 0.05, errors: 0.01 },
      },
    ])
    expect(await (await fixture.request(`${monitors}/default`)).json()).toEqual(listed.items[0])
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/bare', {})
    expect(await (await fixture.request('/api/v1/endpoints/bare/monitors')).json()).toEqual({ items: [] })
    expect((await fixture.request('/api/v1/endpoints/bare/monitors/default')).status).toBe(404)
  })

  test('are made, changed, kept over a restart and removed', async () => {
    await using fixture = await openMonitored()
    const made = await sendJson(fixture, 'PUT', `${monitors}/mine`, { ...quick, features: ['a'] })
    expect(made.status).toBe(201)
    expect((await sendJson(fixture, 'PUT', `${monitors}/mine`, { ...quick, alpha: 0.01 })).status).toBe(200)
    await fixture.restart()
    expect(await (await fixture.request(`${monitors}/mine`)).json()).toMatchObject({ ...quick, alpha: 0.01 })
    expect((await fixture.request(`${monitors}/mine`, { method: 'DELETE' })).status).toBe(204)
    expect((await fixture.request(`${monitors}/mine`)).status).toBe(404)
    expect((await fixture.request(`${monitors}/mine`, { method: 'DELETE' })).status).toBe(404)
  })

  test('go with their endpoint', async () => {
    await using fixture = await openMonitored()
    await sendJson(fixture, 'PUT', `${monitors}/mine`, quick)
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', { split: { blue: 0 } }, { 'if-match': '*' })
    expect((await fixture.request('/api/v1/endpoints/e', { method: 'DELETE' })).status).toBe(204)
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'm', version: 1 })
    expect((await fixture.request(`${monitors}/mine`)).status).toBe(404)
  })

  test.each([
    ['a feature that no version counts', { features: ['a', 'c'] }, 409, 'MONITOR_REFUSED'],
    ['a season that is no whole number of windows', { window: '7h', season: 'day' }, 400, 'INVALID_REQUEST'],
    ['a window of seconds', { window: '30s' }, 400, 'INVALID_REQUEST'],
    ['a field that nobody knows', { alert: true }, 400, 'INVALID_REQUEST'],
    ['no chance of a false alarm', { alpha: 0 }, 400, 'INVALID_REQUEST'],
  ])('are refused with %s', async (_, body, status, type) => {
    await using fixture = await openMonitored()
    const answer = await sendJson(fixture, 'PUT', `${monitors}/mine`, body)
    expect([answer.status, ((await answer.json()) as { type: string }).type]).toEqual([status, type])
    expect((await fixture.request(`${monitors}/mine`)).status).toBe(404)
  })

  test('are refused where no deployed version has a baseline', async () => {
    await using fixture = await openServing()
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/bare', {})
    const answer = await sendJson(fixture, 'PUT', '/api/v1/endpoints/bare/monitors/mine', quick)
    expect([answer.status, ((await answer.json()) as { type: string }).type]).toEqual([409, 'MONITOR_REFUSED'])
  })
})

describe('drift of an endpoint', () => {
  test('is told feature by feature from the reports of pages, and follows from the numbers that are told', async () => {
    const clock = { now: at }
    await using fixture = await openMonitored(clock)
    await sendJson(fixture, 'PUT', `${monitors}/mine`, quick)
    clock.now = at + 8 * 60_000
    await post(fixture, reportsOf(fixture.spec, draw(4000, 2, 0.4)))
    const report = await drift(fixture, '?monitor=mine')
    expect(report).toMatchObject({ verdict: 'drift', deployment: 'blue', version: 1, rows: 4000, senders: 800 })
    expect(report.features.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['a', 'drift'],
      ['b', 'no_drift'],
    ])
    expect(recompute(report)).toEqual(report)
    // A day is not over, so the default monitor cannot tell yet.
    expect((await drift(fixture)).verdict).toBe('insufficient')
  })

  test('is the same in every bit whatever the order of the reports and however often they come', async () => {
    const found: DriftReport[] = []
    for (const order of [1, 2, 3]) {
      const clock = { now: at }
      await using fixture = await openMonitored(clock)
      await sendJson(fixture, 'PUT', `${monitors}/mine`, quick)
      clock.now = at + 5 * 60_000
      const reports = reportsOf(fixture.spec, draw(1500, 3, 0.2))
      const { uniform } = openRandom(order)
      const repeated = [...reports, ...reports.filter(() => uniform() < 0.3)]
      const shuffled = repeated.map((report) => ({ report, key: uniform() })).toSorted((a, b) => a.key - b.key)
      await post(
        fixture,
        shuffled.map(({ report }) => report),
      )
      found.push(await drift(fixture, '?monitor=mine'))
    }
    expect(found[1]).toEqual(found[0])
    expect(found[2]).toEqual(found[0])
  })

  test('is asked of a monitor and a deployment that are there', async () => {
    await using fixture = await openMonitored()
    expect((await fixture.request('/api/v1/endpoints/e/drift?monitor=none')).status).toBe(404)
    expect((await fixture.request('/api/v1/endpoints/e/drift?deployment=none')).status).toBe(404)
    expect((await fixture.request('/api/v1/endpoints/none/drift')).status).toBe(404)
  })
})
