import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openUnits } from '../../../runtime/assignment/units.ts'
import { type PerformanceWindow, performanceWindow } from '../../../runtime/contract/performance.ts'
import { type Plan, plan } from '../../../runtime/contract/plan.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { openJudge } from '../../../runtime/performance/outcomes.ts'
import { openFlusher } from '../../../runtime/telemetry/reporter.ts'
import { openTally } from '../../../runtime/telemetry/tally.ts'
import { digestOf, type Fixture, sendJson } from '../fixture.ts'
import { cellsOf, countsOf, type House, hasCalifornia, readHouses, specOf } from './california.ts'
import { at, openJudged, reportOf, tell, unitOf } from './judged.ts'
import { senderOf } from './senders.ts'

const path = '/api/v1/endpoints/e'

async function performance(fixture: Fixture, query = '?outcome=sold'): Promise<PerformanceWindow[]> {
  const answer = await fixture.request(`${path}/performance${query}`)
  expect(answer.status).toBe(200)
  const { items } = (await answer.json()) as { items: unknown[] }
  return items.map((item) => performanceWindow.parse(item))
}

describe.skipIf(!hasCalifornia)('performance of California housing', () => {
  test('is measured from outcomes and estimated without them, as published', async () => {
    const { reference, analysis } = readHouses()
    const spec = specOf(reference)
    await using fixture = await openJudged(spec)
    const profile = {
      deployment: 'blue',
      version: 1,
      variant: 'fp32',
      provider: 'wasm' as const,
      device: 'desktop' as const,
      spec: digestOf(JSON.stringify(spec)),
      rows: analysis.length,
      counts: {},
      outputs: countsOf(spec, analysis),
      latency: new Array(33).fill(0),
      errors: {},
    }
    await sendJson(fixture, 'POST', '/api/v1/telemetry', {
      ...reportOf(1, { profiles: [profile] }),
      sender: senderOf(8),
    })
    const [before] = await performance(fixture)
    expect(before).not.toHaveProperty('measured')
    // Published: vectors/drift.json.
    expect(Math.abs((before?.estimated?.accuracy.value ?? 0) - 0.647)).toBeLessThanOrEqual(0.002)
    await tell(fixture, spec, analysis, ({ isPositive }) => isPositive)
    const [after, ...others] = await performance(fixture)
    expect(others).toEqual([])
    expect(after).toMatchObject({ deployment: 'blue', version: 1, from: '2026-11-24T00:00:00.000Z', level: 0.95 })
    expect(after?.measured?.binary?.rows).toBe(8232)
    expect(after?.measured?.binary?.accuracy?.value).toBeCloseTo(0.589, 3)
    expect(after?.measured?.classes?.accuracy).toEqual(after?.measured?.binary?.accuracy)
  })
})

const right: House = { score: 0.95, isPositive: true }
const basePlan: Plan = plan.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
)

const houses: House[] = [0.95, 0.9, 0.85, 0.3, 0.2, 0.1].map((score, i) => ({ score, isPositive: i % 3 !== 1 }))

describe('performance', () => {
  const spec = specOf(Array.from({ length: 40 }, () => houses).flat(), false)

  test('takes the prediction before the outcome, and one outcome of a unit and day', async () => {
    await using fixture = await openJudged(spec)
    await tell(fixture, spec, houses, ({ isPositive }) => isPositive)
    // Told again, corrected a minute later, and by a unit that was never answered.
    await tell(fixture, spec, houses, ({ isPositive }) => isPositive)
    const later = { at: '2026-11-24T10:01:10Z', values: { sold: false } }
    const body = reportOf(1000, {
      outcomes: [
        { unit: unitOf(0), ...later },
        { unit: unitOf(99), ...later },
      ],
    })
    await sendJson(fixture, 'POST', '/api/v1/telemetry', body)
    const [found] = await performance(fixture)
    // 0.95 was sold, and is not after all; so 0.85 is right of the three that were called high, and 0.2 of the others.
    expect(found?.measured?.binary).toMatchObject({ rows: 6, precision: { value: 1 / 3 }, recall: { value: 1 / 3 } })
    expect(found).not.toHaveProperty('estimated')
  })

  test('is of the same unit whichever host was told the outcome, and the registry never learns its name', async () => {
    await using fixture = await openJudged(spec)
    const { salt, revision } = (await (await fixture.request(path)).json()) as { salt: string; revision: number }
    const current = { ...basePlan, endpoint: 'e', revision, salt }
    const sent: TelemetryReport[] = []
    const openHost = () => {
      const units = openUnits(() => at)
      const { flush } = openFlusher({
        plan: () => current,
        tally: openTally('server', () => at),
        units,
        async post(report) {
          sent.push(report)
          expect((await sendJson(fixture, 'POST', '/api/v1/telemetry', report)).status).toBe(200)
        },
        failed: (error) => expect.unreachable(String(error)),
      })
      return { units, flush }
    }
    const [scoring, asking] = [openHost(), openHost()]
    const exposure = scoring.units.exposed('ada@example.org', 'blue', current)
    const prediction = { version: 1, spec: digestOf(JSON.stringify(spec)), cells: cellsOf(spec, right) }
    Object.assign(exposure ?? {}, { prediction })
    asking.units.outcome('ada@example.org', { sold: true })
    await scoring.flush()
    await asking.flush()
    expect((await performance(fixture))[0]?.measured?.binary).toMatchObject({ rows: 1, accuracy: { value: 1 } })
    expect(JSON.stringify(sent)).not.toContain('ada')
  })

  test('TE-09 counts a unit once a day, however many outcomes it sends', async () => {
    await using fixture = await openJudged(spec)
    await tell(fixture, spec, houses, ({ isPositive }) => isPositive)
    const outcomes = Array.from({ length: 300 }, (_, i) => ({
      unit: unitOf(1),
      at: new Date(Date.parse('2026-11-24T10:00:20Z') - i * 50).toISOString(),
      values: { sold: true },
    }))
    expect((await sendJson(fixture, 'POST', '/api/v1/telemetry', reportOf(1000, { outcomes }))).status).toBe(200)
    const [found] = await performance(fixture)
    expect(found?.measured?.binary?.rows).toBe(6)
  })

  test('counts outcomes that name no class apart, and needs the value that is asked for', async () => {
    await using fixture = await openJudged(spec)
    await tell(fixture, spec, houses, ({ isPositive }) => (isPositive ? 'high' : 'nonsense'))
    const [found] = await performance(fixture)
    expect(found?.measured).toMatchObject({ unknown: 2, binary: { rows: 4 } })
    expect(await performance(fixture, '?outcome=other')).toEqual([])
    expect(await performance(fixture, '?outcome=sold&deployment=green')).toEqual([])
    expect((await fixture.request(`${path}/performance?window=1m&since=2026-11-01T00:00:00Z`)).status).toBe(400)
  })

  test('of a deployment leaves out what another version or spec predicted', async () => {
    await using fixture = await openJudged(spec)
    const prediction = { version: 1, spec: `sha256:${'1'.repeat(64)}`, cells: [0, 1] }
    const body = reportOf(1, {
      exposures: [{ unit: unitOf(1), deployment: 'blue', at: '2026-11-24T10:00:00Z', prediction }],
      outcomes: [{ unit: unitOf(1), at: '2026-11-24T10:00:10Z', values: { sold: true } }],
    })
    expect((await sendJson(fixture, 'POST', '/api/v1/telemetry', body)).status).toBe(200)
    expect(await performance(fixture)).toEqual([])
  })
})

describe('what an outcome means', () => {
  const judge = openJudge(specOf(houses))

  test('is a class by name, or of two the second where it is true', () => {
    const spec = specOf(houses)
    const cells = cellsOf(spec, { score: 0.9, isPositive: true })
    const losses = ['high', true, 1, 'low', false, 0, 'else', 2].map((value) =>
      judge?.loss({ cells, value }, 'accuracy'),
    )
    expect(losses).toEqual([0, 0, 0, 1, 1, 1, undefined, undefined])
    const [right = 0, wrong = 0] = [true, false].map((value) => judge?.loss({ cells, value }, 'log_loss'))
    expect(right).toBeLessThan(wrong)
  })

  test('is a number for a regression', () => {
    const profile = {
      name: 'value',
      kind: 'numeric',
      edges: [0, 2],
      points: [],
      counts: [0, 0, 0, 0, 0, 0, 0],
    } as const
    const regression = openJudge({ outputs: [{ ...profile, edges: [0, 2], points: [], counts: [...profile.counts] }] })
    expect([4, '4', true].map((value) => regression?.loss({ cells: [1], value }, 'mae'))).toEqual([
      3,
      undefined,
      undefined,
    ])
    // A null has no cell of numbers.
    expect(regression?.loss({ cells: [3], value: 4 }, 'mae')).toBeUndefined()
  })
})
