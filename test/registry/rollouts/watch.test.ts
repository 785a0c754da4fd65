import { describe, expect, test } from 'vitest'
import { sendJson } from '../fixture.ts'
import {
  began,
  begin,
  type Items,
  json,
  openClocked,
  patch,
  path,
  planOf,
  read,
  report,
  times,
  until,
} from './fixture.ts'

const errors = [{ metric: 'error_rate', margin: 0.01 }]

/** Looked at every three seconds, and never advanced. */
const still = { hold: '1m', minUnits: 1_000_000 }

describe('a rollout that is watched', () => {
  test('advances step by step and completes, with an event and an entry each', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    await begin(fixture, { hold: '1m' })
    clock.now += 59_000
    expect((await until(fixture, ({ now }) => now !== undefined)).now?.waits).toEqual(['1 s of its 1m'])
    clock.now += 1000
    expect(await until(fixture, ({ step }) => step === 1)).toMatchObject({ percent: 50, state: 'running' })
    clock.now += 60_000
    const over = await until(fixture, ({ state }) => state === 'completed')
    expect(over.history.map(({ action, percent }) => [action, percent])).toEqual([
      ['started', 10],
      ['advanced', 50],
      ['completed', 100],
    ])
    const { items } = await json<Items<{ type: string }>>(fixture.request('/api/v1/events?endpoint=e'))
    const types = items.map(({ type }) => type).filter((type) => type.startsWith('rollout'))
    expect(types).toEqual(['rollout.advanced', 'rollout.completed'])
    expect(await planOf(fixture)).toMatchObject({
      ranges: [['green', 0, 1_000_000]],
      revision: over.history[2]?.revision,
    })
    const back = await json(sendJson(fixture, 'POST', '/api/v1/endpoints/e/rollback', {}))
    expect(back).toMatchObject({ traffic: { split: { blue: 100, green: 0 } } })
  })

  test('is taken back by a guard that breaks, with the evidence in its history and in the event', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const { ranges } = await planOf(fixture)
    const { history } = await begin(fixture, { ...still, guards: errors })
    clock.now += 3 * 60_000
    await report(fixture, '2026-11-24T10:01:00Z', history[0]?.revision ?? 0, [
      ...times(60, { deployment: 'green', answered: 6, failed: 4 }),
      ...times(300, { deployment: 'blue', answered: 10 }),
    ])
    const over = await until(fixture, ({ state }) => state === 'reverted')
    const entry = over.history.at(-1)
    expect(entry).toMatchObject({
      action: 'reverted',
      percent: 0,
      why: 'broken: error_rate',
      evidence: { since: '2026-11-24T10:00:00.000Z', units: 60 },
    })
    expect(entry?.evidence?.guards[0]).toMatchObject({
      verdict: 'worse',
      comparisons: [{ difference: 0.4, green: { clusters: 60, rows: 600, mean: 0.4 }, blue: { rows: 3000, mean: 0 } }],
    })
    const { items } = await json<Items<{ data: unknown }>>(
      fixture.request('/api/v1/events?endpoint=e&type=rollout.reverted'),
    )
    expect(items[0]?.data).toMatchObject({
      deployment: 'green',
      reasons: ['error_rate'],
      evidence: { guards: [{ guard: 'error_rate', verdict: 'worse', difference: 0.4 }] },
    })
    expect((await planOf(fixture)).ranges).toEqual(ranges)
  })

  test('holds with too little traffic: it neither advances nor goes back', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const { history } = await begin(fixture, { hold: '1m', guards: errors, minUnits: 50 })
    clock.now += 3 * 60_000
    const revision = history[0]?.revision ?? 0
    await report(fixture, '2026-11-24T10:01:00Z', revision, [
      ...times(2, { deployment: 'green', answered: 1, failed: 2 }),
      ...times(20, { deployment: 'blue', answered: 5 }),
    ])
    const held = await until(fixture, ({ now }) => now?.evidence.units === 2)
    expect(held).toMatchObject({ state: 'running', step: 0, now: { waits: ['units: 2 of 50', 'proof of error_rate'] } })
  })

  test('does not count hosts that hold an older plan, nor what was counted before the step', async () => {
    const clock = { now: began + 30_000 }
    await using fixture = await openClocked(clock)
    const { history } = await begin(fixture, { ...still, guards: errors })
    const revision = history[0]?.revision ?? 0
    clock.now += 3 * 60_000
    await report(fixture, '2026-11-24T10:00:00Z', revision, times(30, { deployment: 'green', answered: 1, failed: 20 }))
    await report(
      fixture,
      '2026-11-24T10:02:00Z',
      revision - 1,
      times(30, { deployment: 'green', answered: 1, failed: 20 }),
    )
    await report(fixture, '2026-11-24T10:01:00Z', revision, times(3, { deployment: 'blue', answered: 7 }))
    const held = await until(fixture, ({ now }) => now?.evidence.guards[0]?.comparisons[0]?.blue.rows === 0)
    expect(held.now?.evidence).toMatchObject({ units: 0, since: '2026-11-24T10:01:00.000Z' })
  })

  test('counts the requests of servers whose callers tell no unit, each minute of one as a cluster', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const { history } = await begin(fixture, { ...still, guards: errors })
    clock.now += 4 * 60_000
    const revision = history[0]?.revision ?? 0
    for (const minute of [1, 2, 3]) {
      await report(fixture, `2026-11-24T10:0${minute}:00Z`, revision, [
        { deployment: 'green', answered: 40, device: 'server' },
        { deployment: 'blue', answered: 400, device: 'server' },
      ])
    }
    const held = await until(fixture, ({ now }) => now?.evidence.units === 120)
    expect(held.now?.evidence.guards[0]?.comparisons[0]).toMatchObject({
      green: { clusters: 3, rows: 120 },
      blue: { clusters: 3, rows: 1200 },
    })
  })

  test('counts the rows of isolates whose clock stands still, and takes none of them for fast', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const { history } = await begin(fixture, { ...still, guards: [...errors, { metric: 'latency_p95', ratio: 1.2 }] })
    clock.now += 3 * 60_000
    const isolate = { device: 'edge', cell: -1 } as const
    await report(fixture, '2026-11-24T10:01:00Z', history[0]?.revision ?? 0, [
      ...times(60, { deployment: 'green', answered: 10, failed: 1, ...isolate }),
      ...times(300, { deployment: 'blue', answered: 9, failed: 1, ...isolate }),
    ])
    const held = await until(fixture, ({ now }) => now?.evidence.units === 600)
    expect(held.now?.evidence.guards).toMatchObject([
      { comparisons: [{ green: { rows: 660, mean: 1 / 11 }, blue: { rows: 3000, mean: 0.1 } }] },
      { verdict: 'open', comparisons: [{ green: { rows: 0 }, blue: { rows: 0 } }] },
    ])
  })

  test('counts no request that named its deployment: the split dealt it to nobody', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const { history } = await begin(fixture, { ...still, guards: errors })
    clock.now += 3 * 60_000
    const latency = (count: number) => new Array<number>(33).fill(0).with(14, count)
    const pinned = { rows: 6, outputs: { value: [6, 0, 0, 0, 0] }, latency: latency(6), errors: { RUN_FAILED: 4 } }
    await report(fixture, '2026-11-24T10:01:00Z', history[0]?.revision ?? 0, [
      ...times(60, { deployment: 'green', answered: 6, failed: 4, value: [6, 0, 0, 0, 0], pinned }),
      ...times(2, { deployment: 'green', answered: 8, failed: 4, value: [8, 0, 0, 0, 0], pinned }),
      ...times(300, { deployment: 'blue', answered: 10 }),
    ])
    const held = await until(fixture, ({ now }) => now?.evidence.units === 2)
    expect(held.now?.evidence.guards[0]).toMatchObject({
      verdict: 'open',
      comparisons: [{ green: { clusters: 2, rows: 4, mean: 0 }, blue: { rows: 3000 } }],
    })
  })

  test('that is paused does not advance, and is taken back all the same', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const { history } = await begin(fixture, { hold: '1s', guards: [{ metric: 'parity', margin: 0.01 }] })
    await patch(fixture, { state: 'paused' })
    clock.now += 3 * 60_000
    const waiting = await until(fixture, ({ now }) => now?.waits[0] === 'to be resumed')
    expect(waiting).toMatchObject({ state: 'paused', step: 0 })
    await report(fixture, '2026-11-24T10:01:00Z', history[0]?.revision ?? 0, [
      ...times(100, { deployment: 'green', answered: 1, errors: { PARITY_FAILED: 1 } }),
      ...times(300, { deployment: 'blue', answered: 1 }),
    ])
    expect((await until(fixture, ({ state }) => state === 'reverted')).history.at(-1)?.why).toBe('broken: parity')
  })

  test('goes on where it was after the registry was away, by its row alone', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    await begin(fixture, { hold: '10m' })
    await until(fixture, ({ now }) => now !== undefined)
    clock.now += 24 * 3600_000
    await fixture.restart()
    await until(fixture, ({ step }) => step >= 1)
    clock.now += 600_000
    await until(fixture, ({ state }) => state === 'completed')
    expect((await read(fixture)).history.map(({ action }) => action)).toEqual(['started', 'advanced', 'completed'])
  })

  test('TE-11 is taken back where units do not come in the shares of the plan', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const guards = [{ metric: 'sample_ratio' }]
    const { history } = await begin(fixture, { ...still, steps: [50, 100], guards })
    clock.now += 3 * 60_000
    await expose(fixture, history[0]?.revision ?? 0, { green: 2400, blue: 1600 })
    const over = await until(fixture, ({ state }) => state === 'reverted')
    // It may have looked before all were there.
    const [found] = over.history.at(-1)?.evidence?.guards ?? []
    expect(found).toMatchObject({ verdict: 'worse', ratio: { shares: { blue: 0.5, green: 0.5 } } })
    expect(found?.ratio?.units.green).toBeGreaterThan(found?.ratio?.units.blue ?? 0)
  })

  test('counts for the ratio only units that it never saw before', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    await expose(fixture, began, { blue: 500 }, '2026-11-24T09:30:00Z')
    clock.now += 30_000
    const { history } = await begin(fixture, { ...still, steps: [50, 100], guards: [{ metric: 'sample_ratio' }] })
    clock.now += 3 * 60_000
    // The same units, of which a half was moved, and four that are new.
    await expose(fixture, history[0]?.revision ?? 0, { green: 250 })
    await expose(fixture, history[0]?.revision ?? 0, { green: 2, blue: 2 }, '2026-11-24T10:02:00Z', 1000)
    const held = await until(fixture, ({ now }) => now?.evidence.guards[0]?.ratio?.units.green === 2)
    expect(held.now?.evidence.guards[0]).toMatchObject({ verdict: 'fine', ratio: { units: { blue: 2, green: 2 } } })
  })

  test('F-17 counts units of hosts whose clocks are an hour late by the split that assigned them', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const before = ((await planOf(fixture)) as { revision: number }).revision
    const { history } = await begin(fixture, { ...still, steps: [50, 100], guards: [{ metric: 'sample_ratio' }] })
    clock.now += 3 * 60_000
    await expose(fixture, history[0]?.revision ?? 0, { green: 3, blue: 4 }, '2026-11-24T09:10:00Z')
    // These hosts hold the plan from before the step.
    await expose(fixture, before, { blue: 5 }, '2026-11-24T10:02:00Z', 100)
    const held = await until(fixture, ({ now }) => now?.evidence.units === 3)
    expect(held.now?.evidence.guards[0]?.ratio?.units).toEqual({ blue: 4, green: 3 })
  })

  test('is taken back by an outcome of units that grew worse', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const guards = [{ metric: 'outcome', name: 'accepted', margin: 0.05 }]
    const { history } = await begin(fixture, { ...still, steps: [50, 100], guards })
    clock.now += 3 * 60_000
    const revision = history[0]?.revision ?? 0
    await expose(fixture, revision, { green: 300, blue: 300 })
    const outcomes = Array.from({ length: 600 }, (_, i) => ({
      unit: unitOf(i),
      at: '2026-11-24T10:02:30Z',
      values: { accepted: i < 300 ? i % 4 === 0 : i % 4 !== 0 },
    }))
    await post(fixture, { revision, outcomes })
    const over = await until(fixture, ({ state }) => state === 'reverted')
    expect(over.history.at(-1)?.evidence?.guards[0]?.comparisons[0]).toMatchObject({
      name: 'accepted, how much worse',
      difference: 0.5,
      green: { clusters: 300, mean: 0.75 },
    })
  })

  test('is taken back by fewer who buy, where hosts tell only of those who do, and one stray false is none', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const guards = [{ metric: 'outcome', name: 'bought', margin: 0.05 }]
    const { history } = await begin(fixture, { ...still, steps: [50, 100], guards })
    clock.now += 3 * 60_000
    const revision = history[0]?.revision ?? 0
    await expose(fixture, revision, { green: 400, blue: 400 })
    const outcomes = Array.from({ length: 800 }, (_, i) => i)
      .filter((i) => i === 1 || (i < 400 ? i % 10 === 0 : i % 2 === 0))
      .map((i) => ({ unit: unitOf(i), at: '2026-11-24T10:02:30Z', values: { bought: i !== 1 } }))
    await post(fixture, { revision, outcomes })
    const over = await until(fixture, ({ state }) => state === 'reverted')
    expect(over.history.at(-1)?.evidence?.guards[0]?.comparisons[0]).toMatchObject({
      difference: 0.4,
      green: { clusters: 400, mean: 0.9 },
      blue: { clusters: 400, mean: 0.5 },
    })
  })

  test('is taken back by less that each unit spends, of whom most spend nothing', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const guards = [{ metric: 'outcome', name: 'spent', margin: 0.5 }]
    const { history } = await begin(fixture, { ...still, steps: [50, 100], guards })
    clock.now += 3 * 60_000
    const revision = history[0]?.revision ?? 0
    await expose(fixture, revision, { green: 400, blue: 400 })
    // A tenth of green's and half of blue's, five a time; before they came, all of them.
    const buys = (i: number) => (i < 400 ? i % 10 === 0 : i % 2 === 0)
    const outcomes = Array.from({ length: 800 }, (_, i) => [
      { unit: unitOf(i), at: '2026-11-24T10:01:30Z', values: { spent: 100 } },
      ...(buys(i) ? [{ unit: unitOf(i), at: '2026-11-24T10:02:30Z', values: { spent: 5 } }] : []),
    ]).flat()
    for (let from = 0; from < outcomes.length; from += 400) {
      await post(fixture, { revision, outcomes: outcomes.slice(from, from + 400) })
    }
    const over = await until(fixture, ({ state }) => state === 'reverted')
    expect(over.history.at(-1)?.evidence?.guards[0]?.comparisons[0]).toMatchObject({
      difference: 2,
      green: { clusters: 400, mean: -0.5 },
      blue: { clusters: 400, mean: -2.5 },
    })
  })

  test('waits where nothing was told of anyone', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const guards = [{ metric: 'outcome', name: 'misspelt', margin: 0.05 }]
    const { history } = await begin(fixture, { steps: [50, 100], guards })
    clock.now += 3 * 60_000
    await expose(fixture, history[0]?.revision ?? 0, { green: 400, blue: 400 })
    const held = await until(fixture, ({ now }) => now?.evidence.units === 400)
    expect(held.now?.evidence.guards[0]?.verdict).toBe('open')
  })
})

type Opened = Awaited<ReturnType<typeof openClocked>>

/** 22 characters of base64url. */
const unitOf = (number: number) => `u${number}`.padEnd(22, '_')

async function expose(
  fixture: Opened,
  revision: number,
  units: Record<string, number>,
  at = '2026-11-24T10:02:00Z',
  first = 0,
): Promise<void> {
  let number = first
  const exposures = Object.entries(units).flatMap(([deployment, count]) =>
    Array.from({ length: count }, () => ({ unit: unitOf(number++), deployment, at })),
  )
  for (let from = 0; from < exposures.length; from += 400) {
    await post(fixture, { revision, exposures: exposures.slice(from, from + 400) })
  }
}

let seq = 0

async function post(fixture: Opened, part: Record<string, unknown>): Promise<void> {
  const body = { sender: 's'.repeat(22), seq: ++seq, window: '2026-11-24T10:02:00Z', endpoint: 'e' }
  const answer = await sendJson(fixture, 'POST', '/api/v1/telemetry', {
    ...body,
    profiles: [],
    exposures: [],
    outcomes: [],
    ...part,
  })
  expect(answer.status).toBe(200)
}

test('a rollout of an endpoint that was made anew is another one', async () => {
  await using fixture = await openClocked()
  await begin(fixture, { hold: '1h' })
  await patch(fixture, { state: 'aborted' })
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', { split: { blue: 0, green: 0 } }, { 'if-match': '*' })
  expect((await fixture.request('/api/v1/endpoints/e', { method: 'DELETE' })).status).toBe(204)
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e', {})
  expect(await json(fixture.request(path))).toEqual({ items: [] })
})
