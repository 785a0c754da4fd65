import { describe, expect, test } from 'vitest'
import type { CloudEvent } from '../../../runtime/contract/events.ts'
import { driftReport } from '../../../runtime/contract/monitor.ts'
import { healthReport, performanceReport } from '../../../runtime/contract/monitor-reports.ts'
import type { ProfileReport } from '../../../runtime/contract/telemetry.ts'
import { recompute } from '../../../runtime/drift/report.ts'
import { recomputeLoss } from '../../../runtime/performance/loss.ts'
import { recomputeRates } from '../../../runtime/performance/rates.ts'
import { openRandom } from '../../runtime/drift/random.ts'
import { digestOf, type Fixture, linearSpec, openServing, sendJson } from '../fixture.ts'
import { type House, specOf } from './california.ts'
import { at, draw, openMonitored, post, quick, reportsOf } from './fixture.ts'
import { openJudged, reportOf, tell } from './judged.ts'
import { senderOf } from './senders.ts'

const minute = 60_000
const path = '/api/v1/endpoints/e'

async function put(fixture: Fixture, name: string, body: unknown): Promise<[number, string | undefined]> {
  const answer = await sendJson(fixture, 'PUT', `${path}/monitors/${name}`, body)
  return [answer.status, ((await answer.json()) as { detail?: string }).detail]
}

async function report(fixture: Fixture, monitor: string): Promise<unknown> {
  const answer = await fixture.request(`${path}/monitors/${monitor}/report`)
  expect(answer.status).toBe(200)
  return await answer.json()
}

describe('a monitor with a past span as its baseline', () => {
  const span = { from: '2026-11-24T10:00:00Z', to: '2026-11-24T10:08:00Z' }

  test('holds rows against those of the span, not against the baseline of the version', async () => {
    const found = async (shift: number) => {
      const clock = { now: at }
      await using fixture = await openMonitored(clock)
      clock.now = at + 8 * minute
      await post(fixture, reportsOf(fixture.spec, draw(4000, 2, 0.4)))
      expect(await put(fixture, 'since', { ...quick, baseline: span })).toEqual([201, undefined])
      await put(fixture, 'mine', quick)
      clock.now = at + 16 * minute
      const later = reportsOf(fixture.spec, draw(4000, 3, shift)).map((report) => ({
        ...report,
        sender: `1${report.sender.slice(1)}`,
        window: new Date(Date.parse(report.window) + 8 * minute).toISOString(),
      }))
      await post(fixture, later)
      await fixture.restart()
      const told = driftReport.parse(await report(fixture, 'since'))
      expect(recompute(told)).toEqual(told)
      expect(told).toMatchObject({ rows: 4000, from: '2026-11-24T10:08:00.000Z' })
      expect(driftReport.parse(await report(fixture, 'mine')).verdict).toBe('drift')
      return told.features.map(({ name, verdict }) => [name, verdict])
    }
    expect(await found(0.4)).toEqual([
      ['a', 'no_drift'],
      ['b', 'no_drift'],
    ])
    expect(await found(0.9)).toEqual([
      ['a', 'drift'],
      ['b', 'no_drift'],
    ])
  })

  test('is refused where too few rows were counted then', async () => {
    await using fixture = await openMonitored()
    expect((await put(fixture, 'since', { ...quick, baseline: span }))[1]).toContain(
      'no deployed version counted enough',
    )
  })
})

describe('a monitor of quality', () => {
  const quality = { ...quick, signal: 'quality' }

  test('finds values that are missing, and passes over rows that moved within the range', async () => {
    const found = async (rows: ReturnType<typeof draw>) => {
      const clock = { now: at }
      await using fixture = await openMonitored(clock)
      await put(fixture, 'whole', quality)
      clock.now = at + 8 * minute
      await post(fixture, reportsOf(fixture.spec, rows))
      const told = driftReport.parse(await report(fixture, 'whole'))
      expect(recompute(told)).toEqual(told)
      return told
    }
    const moved = await found(draw(4000, 2, 0.1))
    expect(moved.features[0]?.directions.map(({ name }) => name)).toEqual(['missing', 'invalid', 'outside'])
    expect(moved.verdict).toBe('no_drift')
    const { uniform } = openRandom(3)
    const rows = draw(4000, 3).map((row) => {
      return uniform() < 0.2 ? { ...row, features: { ...row.features, a: null as unknown as number } } : row
    })
    expect((await found(rows)).features.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['a', 'drift'],
      ['b', 'no_drift'],
    ])
  })
})

/** Scores that tell the truth: so many of a score are positive. */
function housesOf(count: number, seed: number, flipped = 0): House[] {
  const { uniform } = openRandom(seed)
  return Array.from({ length: count }, () => {
    const score = uniform()
    const isPositive = uniform() < score
    return { score, isPositive: uniform() < flipped ? !isPositive : isPositive }
  })
}

describe('a monitor of performance', () => {
  const spec = specOf(housesOf(5000, 1))
  const watching = { ...quick, signal: 'performance', outcome: 'sold' }

  test.each([
    ['accuracy', 0, 'no_drift'],
    ['accuracy', 0.3, 'drift'],
    ['log_loss', 0.3, 'drift'],
  ])('of %s with %d of the outcomes turned round says %s', async (metric, flipped, verdict) => {
    const clock = { now: at }
    await using fixture = await openJudged(spec, clock)
    expect(await put(fixture, 'worth', { ...watching, metric, limits: { loss: 0.08 } })).toEqual([201, undefined])
    await tell(fixture, spec, housesOf(3000, 2, flipped), ({ isPositive }) => isPositive)
    clock.now = at + 2 * minute
    const found = performanceReport.parse(await report(fixture, 'worth'))
    expect(found).toMatchObject({ verdict, metric, rows: 3000, baseline: { rows: 5000 } })
    expect(found.measured.binary?.rows).toBe(3000)
    expect(recomputeLoss(found)).toEqual(found)
    const drift = await fixture.request(`${path}/drift?monitor=worth`)
    expect([drift.status, ((await drift.json()) as { type: string }).type]).toEqual([409, 'MONITOR_REFUSED'])
  })

  test('goes by a past span where the baseline of the version has no outcomes', async () => {
    const clock = { now: at }
    const blind = specOf(housesOf(5000, 1), false)
    await using fixture = await openJudged(blind, clock)
    await tell(fixture, blind, housesOf(3000, 2), ({ isPositive }) => isPositive)
    const baseline = { from: '2026-11-24T10:00:00Z', to: '2026-11-24T10:01:00Z' }
    expect((await put(fixture, 'worth', watching))[1]).toContain('the baseline of deployment blue has too few outcomes')
    expect(await put(fixture, 'worth', { ...watching, baseline })).toEqual([201, undefined])
    clock.now = at + 2 * minute
    expect(performanceReport.parse(await report(fixture, 'worth'))).toMatchObject({ baseline: { rows: 3000 } })
  })

  test('is refused where it could not work', async () => {
    await using fixture = await openJudged(spec)
    const why = async (body: object) => (await put(fixture, 'worth', { ...watching, ...body }))[1]
    expect(await why({ outcome: undefined })).toContain('it names no outcome')
    expect(await why({ metric: 'mae' })).toContain('has no mae, but accuracy and log_loss')
    const baseline = { from: '2026-11-23T10:00:00Z', to: '2026-11-24T10:01:00Z' }
    expect(await why({ baseline })).toContain('that span of deployment blue has too few outcomes')
    expect((await fixture.request(`${path}/monitors/worth`)).status).toBe(404)
  })
})

describe('a monitor of health', () => {
  function requests(count: number, failed: number, slow = 0): ProfileReport {
    const latency = new Array(33).fill(0)
    latency[3] = count - slow
    latency[25] = slow
    const errors = failed > 0 ? { RUN_FAILED: failed } : {}
    const what = { deployment: 'blue', version: 1, variant: 'fp32', provider: 'wasm', device: 'server' } as const
    const spec = digestOf(JSON.stringify(linearSpec))
    return { ...what, spec, rows: count, counts: {}, outputs: {}, latency, errors }
  }

  async function openWatched(limits: object) {
    const clock = { now: at }
    const fixture = await openServing({ now: () => clock.now })
    await put(fixture, 'alive', { ...quick, signal: 'health', limits })
    let seq = 0
    const send = async (minutes: number, profile: ProfileReport) => {
      const window = new Date(at - 30_000 + minutes * minute).toISOString()
      clock.now = at + (minutes + 2) * minute
      const body = { ...reportOf(++seq, { window, profiles: [profile] }), sender: senderOf(seq) }
      expect((await sendJson(fixture, 'POST', '/api/v1/telemetry', body)).status).toBe(200)
    }
    return Object.assign(fixture, { clock, send })
  }

  test('finds a window in which too many requests fail, and says which codes', async () => {
    await using fixture = await openWatched({ errors: 0.02 })
    await fixture.send(0, requests(1000, 90))
    fixture.clock.now = at + minute
    const found = healthReport.parse(await report(fixture, 'alive'))
    expect(found).toMatchObject({ verdict: 'drift', rows: 1090, errors: { RUN_FAILED: 90 } })
    expect(recomputeRates(found)).toEqual(found)
  })

  test('finds requests that are too slow, and cannot tell of a few', async () => {
    await using fixture = await openWatched({ latencyMs: 500 })
    await fixture.send(0, requests(1000, 0, 200))
    fixture.clock.now = at + minute
    expect(healthReport.parse(await report(fixture, 'alive'))).toMatchObject({
      verdict: 'drift',
      rates: [
        { part: 'errors', verdict: 'insufficient' },
        { part: 'latency', verdict: 'drift', value: 0.2, aboveMs: 512 },
      ],
    })
    fixture.clock.now = at + 2 * minute
    expect(healthReport.parse(await report(fixture, 'alive'))).toMatchObject({ verdict: 'insufficient', rows: 0 })
  })

  test('tells once that it is ill and once that it is well', async () => {
    await using fixture = await openWatched({ errors: 0.02 })
    const events = async () => {
      const answer = await fixture.request('/api/v1/events?endpoint=e')
      const { items } = (await answer.json()) as { items: CloudEvent[] }
      return items.filter(({ type }) => type.startsWith('health.')).map(({ type, time }) => [type, time.slice(14, 16)])
    }
    for (const [minutes, failed] of [90, 100, 0, 0].entries()) {
      await fixture.send(minutes, requests(5000, 10 * failed))
      const looked = minutes + 1
      await fixture.restart()
      await expect
        .poll(
          async () => {
            const answer = await fixture.request(`${path}/monitors/alive/looks`)
            return ((await answer.json()) as { items: unknown[] }).items.length
          },
          { timeout: 10_000 },
        )
        .toBe(looked)
    }
    expect(await events()).toEqual([
      ['health.detected', '01'],
      ['health.cleared', '03'],
    ])
  })
})
