import { describe, expect, test, vi } from 'vitest'
import type { CloudEvent } from '../../../runtime/contract/events.ts'
import { type DriftReport, driftReport } from '../../../runtime/contract/monitor.ts'
import { recompute } from '../../../runtime/drift/report.ts'
import { type Fixture, sendJson } from '../fixture.ts'
import { at, draw, openMonitored, post, quick, reportsOf } from './fixture.ts'

const minute = 60_000
/** A look takes as long as the machine is busy. */
const patient = { timeout: 10_000 }
const path = '/api/v1/endpoints/e'

interface Items<Item> {
  items: Item[]
}

async function items<Item>(fixture: Fixture, address: string): Promise<Item[]> {
  const answer = await fixture.request(address)
  expect(answer.status).toBe(200)
  return ((await answer.json()) as Items<Item>).items
}

const looks = (fixture: Fixture) => items<{ at: string; verdict: string }>(fixture, `${path}/monitors/mine/looks`)
const events = async (fixture: Fixture) => {
  const found = await items<CloudEvent>(fixture, '/api/v1/events?endpoint=e')
  return found.filter(({ type }) => type.startsWith('drift.'))
}

/** Monitor `mine`, rows of eight minutes from 10:00 of which `a` moved, and a look at 10:09. */
async function openSeen() {
  const clock = { now: at }
  const fixture = await openMonitored(clock)
  await sendJson(fixture, 'PUT', `${path}/monitors/mine`, quick)
  const send = async (rows: ReturnType<typeof draw>, since: number) => {
    const reports = reportsOf(fixture.spec, rows)
    clock.now = at + (since + rows.length / 500) * minute
    await post(
      fixture,
      reports.map((report) => ({
        ...report,
        // Others than before.
        sender: `${since}`.padStart(4, '0') + report.sender.slice(4),
        window: new Date(Date.parse(report.window) + since * minute).toISOString(),
      })),
    )
  }
  /** The registry is opened at that minute, and looks. */
  const lookAt = async (minutes: number, count: number) => {
    clock.now = at + minutes * minute
    await fixture.restart()
    await expect.poll(async () => (await looks(fixture)).length, patient).toBe(count)
  }
  await send(draw(4000, 2, 0.4), 0)
  await lookAt(9, 1)
  return Object.assign(fixture, { clock, send, lookAt })
}

describe('a monitor', () => {
  test('is looked at without being asked, and what drifts is told once, across restarts and windows', async () => {
    await using fixture = await openSeen()
    expect(await events(fixture)).toMatchObject([
      {
        type: 'drift.detected',
        subject: 'mine',
        time: '2026-11-24T10:08:00.000Z',
        data: { deployment: 'blue', version: 1, changed: ['features/a', 'outputs/value'], causes: ['input'] },
      },
    ])
    await fixture.lookAt(9, 1)
    await fixture.send(draw(500, 4, 0.4), 8)
    await fixture.lookAt(10, 2)
    expect((await events(fixture)).map(({ type }) => type)).toEqual(['drift.detected'])
  })

  test('tells when rows are again as the baseline', async () => {
    await using fixture = await openSeen()
    await fixture.send(draw(12_000, 5), 8)
    await fixture.lookAt(33, 2)
    const [, cleared] = await events(fixture)
    expect(cleared).toMatchObject({ type: 'drift.cleared', data: { alarms: [] } })
    const alarms = await items<{ monitor: string; part: string; state: string }>(fixture, `${path}/alarms`)
    expect(alarms.filter(({ monitor }) => monitor === 'mine').map(({ part, state }) => [part, state])).toEqual([
      ['', 'calm'],
      ['features/a', 'calm'],
      ['features/b', 'calm'],
      ['outputs/value', 'calm'],
    ])
  })

  test('keeps what it said, and its verdict follows from the numbers that are kept', async () => {
    await using fixture = await openSeen()
    const [look] = await looks(fixture)
    await fixture.send(draw(12_000, 5), 8)
    const answer = await fixture.request(`${path}/drift?monitor=mine&at=2026-11-24T10:20:00Z`)
    const report: DriftReport = driftReport.parse(await answer.json())
    expect(report).toMatchObject({ at: look?.at, verdict: 'drift', rows: 4000, windows: 8 })
    expect(recompute(report)).toEqual(report)
    expect((await fixture.request(`${path}/drift?monitor=mine&at=2026-11-24T10:07:00Z`)).status).toBe(404)
  })

  test('that is removed leaves no alarm and no look behind', async () => {
    await using fixture = await openSeen()
    await fixture.request(`${path}/monitors/mine`, { method: 'DELETE' })
    const alarms = await items<{ monitor: string }>(fixture, `${path}/alarms`)
    expect(alarms.filter(({ monitor }) => monitor === 'mine')).toEqual([])
    await sendJson(fixture, 'PUT', `${path}/monitors/mine`, quick)
    expect(await looks(fixture)).toEqual([])
  })

  test('ends its alarm with the deployment that it was about', async () => {
    await using fixture = await openSeen()
    await sendJson(fixture, 'PUT', `${path}/deployments/green`, { model: 'm', version: 1 })
    await sendJson(fixture, 'PUT', `${path}/traffic`, { split: { green: 100 } }, { 'if-match': '*' })
    await fixture.request(`${path}/deployments/blue`, { method: 'DELETE' })
    await fixture.restart()
    await expect
      .poll(async () => (await events(fixture)).map(({ type }) => type), patient)
      .toEqual(['drift.detected', 'drift.cleared'])
    expect(await items(fixture, `${path}/alarms`)).toEqual([])
  })

  test('is looked at when a minute is over while the registry runs', async () => {
    const clock = { now: at }
    await using fixture = await openMonitored(clock)
    await sendJson(fixture, 'PUT', `${path}/monitors/mine`, quick)
    clock.now = at + 8 * minute
    await post(fixture, reportsOf(fixture.spec, draw(4000, 2, 0.4)))
    clock.now = at
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      await fixture.restart()
      expect(await looks(fixture)).toEqual([])
      clock.now = at + 9 * minute
      // The look at the start may still be under way, and the next one is set after it.
      const look = async () => {
        vi.advanceTimersByTime(minute)
        return (await looks(fixture)).length === 1
      }
      await vi.waitUntil(look, patient)
    } finally {
      vi.useRealTimers()
    }
  })
})
