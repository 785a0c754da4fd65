import { describe, expect, test } from 'vitest'
import type { Traffic } from '../../../runtime/contract/control.ts'
import type { Rollout } from '../../../runtime/contract/rollout.ts'
import { type Fixture, linearFiles, pushModel, sendJson } from '../fixture.ts'
import { begin, etagOf, type Items, json, openClocked, patch, path, planOf, read } from './fixture.ts'

const traffic = '/api/v1/endpoints/e/traffic'

async function problem(answer: Response) {
  const { type, detail } = await json<{ type: string; detail: string }>(answer)
  return { status: answer.status, type, detail }
}

async function splitOf(fixture: Fixture) {
  return (await json<Traffic>(fixture.request(traffic))).split
}

async function post(fixture: Fixture, body: unknown) {
  return await sendJson(fixture, 'POST', path, body, { 'if-match': await etagOf(fixture, traffic) })
}

const plan = { deployment: 'green', steps: [10, 100] }

describe('a rollout that is begun', () => {
  test('has its first split in force, with the one before to go back to', async () => {
    await using fixture = await openClocked()
    const rollout = await begin(fixture, { steps: [10, 50, 100], hold: '1h', why: 'November data' })
    expect(rollout).toMatchObject({
      id: '1',
      endpoint: 'e',
      deployment: 'green',
      state: 'running',
      step: 0,
      percent: 10,
      before: { blue: 100 },
      history: [{ action: 'started', percent: 10, why: 'November data' }],
    })
    expect(await splitOf(fixture)).toEqual({ blue: 90, green: 10 })
    expect((await planOf(fixture)).ranges).toEqual([
      ['blue', 0, 900_000],
      ['green', 900_000, 1_000_000],
    ])
    expect(await json(fixture.request('/api/v1/endpoints/e'))).toMatchObject({ rollout: '1' })
    const list = await json<Items>(fixture.request(path))
    expect(list.items).toEqual([rollout])
  })

  test('leaves the others their shares of the rest, to the last millionth', async () => {
    await using fixture = await openClocked()
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/teal', { model: 'a', version: 1 })
    await sendJson(fixture, 'PUT', traffic, { split: { blue: 60, teal: 40 } }, { 'if-match': '*' })
    await begin(fixture, { steps: [33.3333, 100], hold: '1h' })
    expect(await splitOf(fixture)).toEqual({ blue: 40, green: 33.3333, teal: 26.6667 })
  })

  test('tells that its steps are too small to promote, and which would do', async () => {
    await using fixture = await openClocked()
    const guards = [{ metric: 'error_rate', margin: 0.01 }]
    const { advice } = await begin(fixture, { steps: [1, 100], hold: '1h', guards, minUnits: 500 })
    expect(advice.steps[0]?.canPromote).toBe(false)
    expect(advice.proposed?.length).toBeGreaterThan(1)
    expect(advice.text).toContain('no traffic was heard yet')
  })

  test('deals units anew under a salt of its own, and goes back to the old one', async () => {
    await using fixture = await openClocked()
    const before = (await planOf(fixture)).salt
    await begin(fixture, { reshuffle: true, hold: '1h' })
    const during = (await planOf(fixture)).salt
    expect(during).not.toBe(before)
    await patch(fixture, { state: 'aborted' })
    expect((await planOf(fixture)).salt).toBe(before)
    await begin(fixture, { reshuffle: true, hold: '1h' })
    expect([before, during]).not.toContain((await planOf(fixture)).salt)
  })

  test('is refused while another is under way, and for a deployment that is not there', async () => {
    await using fixture = await openClocked()
    expect(await problem(await post(fixture, { ...plan, deployment: 'red' }))).toMatchObject({
      status: 404,
      type: 'DEPLOYMENT_UNKNOWN',
    })
    await begin(fixture, { hold: '1h' })
    expect(await problem(await post(fixture, plan))).toMatchObject({ status: 409, type: 'IN_USE' })
  })

  test('is refused with a drift guard where a version has no baseline to compare', async () => {
    await using fixture = await openClocked()
    const { 'profile.json': _, ...files } = linearFiles([5, 6])
    await pushModel(fixture, 'a', '3', files)
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/red', { model: 'a', version: 3 })
    const guards = [{ metric: 'drift' }]
    expect(await problem(await post(fixture, { ...plan, deployment: 'red', guards }))).toMatchObject({
      status: 409,
      type: 'MONITOR_REFUSED',
    })
    expect((await post(fixture, { ...plan, guards })).status).toBe(201)
  })

  test('is refused where those outside of the audience would be compared with those in it', async () => {
    await using fixture = await openClocked()
    const audience = { where: [{ attribute: 'country', in: ['de'] }], otherwise: 'blue' }
    const assignment = { scheme: 'murmur3-ppm-1', audience }
    const put = await sendJson(fixture, 'PUT', '/api/v1/endpoints/e', { assignment }, { 'if-match': '*' })
    expect(put.status, await put.clone().text()).toBe(200)
    const answer = await problem(await post(fixture, plan))
    expect(answer).toMatchObject({ status: 422, detail: expect.stringContaining('outside of the audience') })
  })

  test.each([
    ['that sum to nothing', []],
    ['of 99.99999', [99.99999, 100]],
    ['below zero', [-5, 100]],
    ['of 1e-320', [1e-320, 100]],
    ['of minus zero', [-0, 100]],
    ['above 100', [10, 100.5]],
    ['of text', ['ten', 100]],
    ['twice', [10, 10, 100]],
    ['that fall', [50, 10, 100]],
    ['a thousand times', Array.from({ length: 1000 }, (_, i) => (i + 1) / 10)],
    ['that begin with all', [100]],
  ])('AP-17 is refused with steps %s, and what was served is served bit for bit', async (_, steps) => {
    await using fixture = await openClocked()
    const before = await planOf(fixture)
    expect(await problem(await post(fixture, { ...plan, steps }))).toMatchObject({
      status: 422,
      type: 'TRAFFIC_INVALID',
    })
    expect(await planOf(fixture)).toEqual(before)
    expect(await json(fixture.request(path))).toEqual({ items: [] })
  })

  test('AP-17 is refused with a first step that the deployment has already', async () => {
    await using fixture = await openClocked()
    await sendJson(fixture, 'PUT', traffic, { split: { blue: 80, green: 20 } }, { 'if-match': '*' })
    expect(await problem(await post(fixture, plan))).toMatchObject({ status: 422 })
    expect(await splitOf(fixture)).toEqual({ blue: 80, green: 20 })
  })
})

describe('AP-18 two who write one rollout', () => {
  test('need If-Match, and the second is refused with the tag that the first has used', async () => {
    await using fixture = await openClocked()
    expect(await problem(await sendJson(fixture, 'POST', path, plan))).toMatchObject({ status: 428 })
    const stale = await etagOf(fixture, traffic)
    await sendJson(fixture, 'PUT', traffic, { split: { blue: 95, green: 5 } }, { 'if-match': stale })
    expect(await problem(await sendJson(fixture, 'POST', path, plan, { 'if-match': stale }))).toMatchObject({
      status: 412,
    })
    await begin(fixture, { hold: '1h' })
    const etag = await etagOf(fixture, `${path}/1`)
    expect(await problem(await sendJson(fixture, 'PATCH', `${path}/1`, { state: 'paused' }))).toMatchObject({
      status: 428,
    })
    const both = await Promise.all(
      ['paused', 'aborted'].map((state) => sendJson(fixture, 'PATCH', `${path}/1`, { state }, { 'if-match': etag })),
    )
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412])
  })

  test('leave one history without a gap, whatever twenty of them do at once', async () => {
    await using fixture = await openClocked()
    await begin(fixture, { hold: '1h' })
    const wanted = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 'paused' : 'running'))
    const answers = await Promise.all(wanted.map((state) => patch(fixture, { state })))
    const done = await Promise.all(
      answers
        .filter(({ status }) => status === 200)
        .map(async (answer) => (await json<Rollout>(answer)).history.length),
    )
    const { history, state } = await read(fixture)
    const actions = history.map(({ action }) => action)
    for (const [i, action] of actions.entries()) {
      expect(action).toBe(i === 0 ? 'started' : i % 2 === 1 ? 'paused' : 'resumed')
    }
    expect(state).toBe(actions.at(-1) === 'paused' ? 'paused' : 'running')
    expect(Math.max(...done)).toBeLessThanOrEqual(actions.length)
  })
})

describe('a rollout under way', () => {
  test('is paused, resumed and aborted, and is back at the very ranges from before', async () => {
    await using fixture = await openClocked()
    await sendJson(fixture, 'PUT', traffic, { split: { blue: 97, green: 3 } }, { 'if-match': '*' })
    const { ranges } = await planOf(fixture)
    await begin(fixture, { hold: '1h' })
    expect((await json<Rollout>(patch(fixture, { state: 'paused', why: 'lunch' }))).state).toBe('paused')
    expect((await json<Rollout>(patch(fixture, { state: 'running' }))).state).toBe('running')
    expect((await json<Rollout>(patch(fixture, { state: 'aborted', why: 'no' }))).state).toBe('aborted')
    expect((await planOf(fixture)).ranges).toEqual(ranges)
    expect((await read(fixture)).history.map(({ action, why, percent }) => [action, why, percent])).toEqual([
      ['started', undefined, 10],
      ['paused', 'lunch', 10],
      ['resumed', undefined, 10],
      ['aborted', 'no', 3],
    ])
    expect(await problem(await patch(fixture, { state: 'running' }))).toMatchObject({ status: 412 })
    const events = await json(fixture.request('/api/v1/events?endpoint=e&type=rollout.reverted'))
    expect(events).toMatchObject({ items: [{ data: { rollout: '1', reasons: ['aborted'] } }] })
  })

  test('holds traffic, deployments and versions', async () => {
    await using fixture = await openClocked()
    await begin(fixture, { hold: '1h' })
    const refused = async (answer: Response) =>
      expect(await problem(answer)).toMatchObject({ status: 409, type: 'IN_USE' })
    await refused(await sendJson(fixture, 'PUT', traffic, { split: { blue: 100 } }, { 'if-match': '*' }))
    for (const [name, version] of [
      ['blue', 2],
      ['green', 1],
    ] as const) {
      const deployment = `/api/v1/endpoints/e/deployments/${name}`
      await refused(await sendJson(fixture, 'PUT', deployment, { model: 'a', version }))
      await refused(await fixture.request(deployment, { method: 'DELETE' }))
      await refused(await fixture.request(`/api/v1/models/a/versions/${version}`, { method: 'DELETE' }))
    }
    expect(
      (await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/red', { model: 'a', version: 1 })).status,
    ).toBe(201)
  })

  test('is unknown by another number, and of another endpoint', async () => {
    await using fixture = await openClocked()
    await begin(fixture, { hold: '1h' })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/f', {})
    for (const address of [`${path}/2`, `${path}/1e0`, `${path}/%20`, '/api/v1/endpoints/f/rollouts/1']) {
      expect((await fixture.request(address)).status).toBe(404)
    }
  })
})

describe('rolling back', () => {
  const rollback = (fixture: Fixture) => sendJson(fixture, 'POST', '/api/v1/endpoints/e/rollback', {})
  const move = (fixture: Fixture, split: Record<string, number>) =>
    sendJson(fixture, 'PUT', traffic, { split }, { 'if-match': '*' })

  test('brings back the split before, unit by unit, and further back the next time', async () => {
    await using fixture = await openClocked()
    await move(fixture, { blue: 70, green: 30 })
    const { ranges } = await planOf(fixture)
    await move(fixture, { blue: 20, green: 80 })
    expect((await rollback(fixture)).status).toBe(200)
    expect((await planOf(fixture)).ranges).toEqual(ranges)
    await rollback(fixture)
    expect(await splitOf(fixture)).toEqual({ blue: 100, green: 0 })
    expect(await problem(await rollback(fixture))).toMatchObject({ status: 412, type: 'PRECONDITION_FAILED' })
    await move(fixture, { blue: 0, green: 0 })
    await rollback(fixture)
    expect(await splitOf(fixture)).toEqual({ blue: 100, green: 0 })
  })

  test('brings back whom the split was for, and how they were dealt', async () => {
    await using fixture = await openClocked()
    const assign = (assignment: Record<string, unknown>) =>
      sendJson(fixture, 'PUT', '/api/v1/endpoints/e', { assignment })
    await move(fixture, { blue: 70, green: 30 })
    await assign({
      scheme: 'growthbook-2',
      salt: 'checkout',
      audience: { where: [{ attribute: 'country', in: ['de'] }], otherwise: 'blue' },
    })
    const before = await planOf(fixture)
    expect(before).toMatchObject({ scheme: 'growthbook-2', salt: 'checkout', audience: { otherwise: 'blue' } })
    expect((await assign({ scheme: 'flagd-2', salt: 'all' })).status).toBe(200)
    expect(await planOf(fixture)).not.toHaveProperty('audience')
    await rollback(fixture)
    const { scheme, salt, audience, ranges } = before
    expect(await planOf(fixture)).toMatchObject({ scheme, salt, audience, ranges })
    await rollback(fixture)
    expect(await planOf(fixture)).toMatchObject({ scheme: 'murmur3-ppm-1', ranges })
    expect(await planOf(fixture)).not.toHaveProperty('audience')
  })

  test('is refused where those who are not of the audience had a deployment that is gone', async () => {
    await using fixture = await openClocked()
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e', {
      assignment: {
        scheme: 'murmur3-ppm-1',
        audience: { where: [{ attribute: 'country', in: ['de'] }], otherwise: 'green' },
      },
    })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e', { assignment: { scheme: 'murmur3-ppm-1' } })
    await fixture.request('/api/v1/endpoints/e/deployments/green', { method: 'DELETE' })
    expect(await problem(await rollback(fixture))).toMatchObject({
      status: 412,
      detail: expect.stringContaining('green'),
    })
  })

  test('ends a rollout under way with it', async () => {
    await using fixture = await openClocked()
    await begin(fixture, { hold: '1h' })
    expect(await json(rollback(fixture))).toMatchObject({ traffic: { split: { blue: 100, green: 0 } } })
    expect(await read(fixture)).toMatchObject({ state: 'aborted' })
    expect((await move(fixture, { blue: 50, green: 50 })).status).toBe(200)
  })

  test('is refused where the split before names a deployment that is gone', async () => {
    await using fixture = await openClocked()
    await move(fixture, { blue: 0, green: 100 })
    await fixture.request('/api/v1/endpoints/e/deployments/blue', { method: 'DELETE' })
    expect(await problem(await rollback(fixture))).toMatchObject({
      status: 412,
      detail: expect.stringContaining('blue'),
    })
  })
})
