import { describe, expect, test } from 'vitest'
import { type Experiment, experiment } from '../../../runtime/contract/experiment.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { openRandom } from '../../runtime/drift/random.ts'
import { type Fixture, openServing, sendJson } from '../fixture.ts'

const began = Date.parse('2026-11-24T10:00:00Z')
const minuteMs = 60_000

/** Units come to blue and green in turn; a share of each buys. */
interface Wave {
  units: number
  /** Share of them that comes to green. */
  green: number
  buys: { blue: number; green: number }
}

async function openExperiment() {
  const clock = { now: began }
  const fixture = await openServing({ now: () => clock.now })
  const { uniform } = openRandom(8)
  let seq = 0
  let units = 0

  async function revision(): Promise<number> {
    return ((await (await fixture.request('/api/v1/endpoints/e')).json()) as { revision: number }).revision
  }

  async function split(green: number): Promise<void> {
    clock.now += minuteMs
    const path = '/api/v1/endpoints/e/traffic'
    const etag = (await fixture.request(path)).headers.get('etag') ?? ''
    const body = { split: { blue: 100 - green, green } }
    const answer = await sendJson(fixture, 'PUT', path, body, { 'if-match': etag })
    if (!answer.ok) throw new Error(await answer.text())
    clock.now += minuteMs
  }

  /** @param by - revision of the plan that their hosts hold */
  async function come({ units: count, green, buys }: Wave, by?: number): Promise<void> {
    const held = by ?? (await revision())
    const at = new Date(clock.now).toISOString()
    const told = new Date(clock.now + 1000).toISOString()
    const all = Array.from({ length: count }, () => {
      const unit = String(units++).padStart(22, '0')
      const deployment = uniform() < green ? ('green' as const) : ('blue' as const)
      return { unit, deployment, bought: uniform() < buys[deployment] }
    })
    for (let start = 0; start < all.length; start += 200) {
      const some = all.slice(start, start + 200)
      const report: TelemetryReport = {
        sender: 'a'.repeat(22),
        seq: ++seq,
        window: new Date(clock.now - (clock.now % minuteMs)).toISOString(),
        endpoint: 'e',
        revision: held,
        profiles: [],
        exposures: some.map(({ unit, deployment }) => ({ unit, deployment, at })),
        // Of those who bought nothing, nothing is told.
        outcomes: some.flatMap(({ unit, bought }) => (bought ? [{ unit, at: told, values: { bought: true } }] : [])),
      }
      const answer = await sendJson(fixture, 'POST', '/api/v1/telemetry', report)
      if (!answer.ok) throw new Error(await answer.text())
    }
    clock.now += minuteMs
  }

  return Object.assign(fixture, { split, come, revision })
}

async function read(fixture: Fixture, query: Record<string, string> = {}): Promise<Experiment> {
  const all = new URLSearchParams({ outcome: 'bought', control: 'blue', treatment: 'green', ...query })
  const answer = await fixture.request(`/api/v1/endpoints/e/experiment?${all}`)
  if (!answer.ok) throw new Error(await answer.text())
  return experiment.parse(await answer.json())
}

describe('an experiment', { timeout: 60_000 }, () => {
  test('tells what a deployment changes, absolute and as a share of control', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    await fixture.come({ units: 4000, green: 0.5, buys: { blue: 0.2, green: 0.3 } })
    const { splits, effect, sampleRatio } = await read(fixture)
    expect(splits).toHaveLength(1)
    const [only] = splits
    expect((only?.control.units ?? 0) + (only?.treatment.units ?? 0)).toBe(4000)
    expect(only?.control.told).toBeLessThan(only?.control.units ?? 0)
    expect(effect?.absolute.low).toBeGreaterThan(0)
    expect(effect?.absolute.low).toBeLessThan(0.1)
    expect(effect?.absolute.high).toBeGreaterThan(0.1)
    expect(effect?.relative?.low).toBeLessThan(0.5)
    expect(effect?.relative?.high).toBeGreaterThan(0.5)
    expect(sampleRatio.alarm).toBe(false)
  })

  test('finds nothing where the split moves while everybody buys more', async () => {
    await using fixture = await openExperiment()
    await fixture.split(10)
    await fixture.come({ units: 4000, green: 0.1, buys: { blue: 0.1, green: 0.1 } })
    await fixture.split(90)
    await fixture.come({ units: 4000, green: 0.9, buys: { blue: 0.4, green: 0.4 } })
    const { splits, effect } = await read(fixture)
    const pooled = (side: 'control' | 'treatment') => {
      const units = splits.reduce((sum, each) => sum + each[side].units, 0)
      return splits.reduce((sum, each) => sum + each[side].units * (each[side].mean ?? 0), 0) / units
    }
    // Pooled, green would seem to sell more than twice as much.
    expect(pooled('treatment') - pooled('control')).toBeGreaterThan(0.2)
    expect(splits).toHaveLength(2)
    expect(effect?.absolute.low).toBeLessThan(0)
    expect(effect?.absolute.high).toBeGreaterThan(0)
  })

  test('alarms where units do not come in the shares of the split', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    await fixture.come({ units: 4000, green: 0.56, buys: { blue: 0.2, green: 0.2 } })
    expect((await read(fixture)).sampleRatio.alarm).toBe(true)
  })

  test('TE-11 counts units for the split that assigned them, however late their hosts come to the next one', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    const older = await fixture.revision()
    await fixture.split(10)
    // Half of them on green, where by now it is a tenth.
    await fixture.come({ units: 2000, green: 0.5, buys: { blue: 0.2, green: 0.2 } }, older)
    await fixture.come({ units: 2000, green: 0.1, buys: { blue: 0.2, green: 0.2 } })
    const { splits, sampleRatio } = await read(fixture)
    expect(splits.map(({ control, treatment }) => control.units + treatment.units)).toEqual([2000, 2000])
    expect(sampleRatio.alarm).toBe(false)
  })

  test('of few units has no effect yet', async () => {
    await using fixture = await openExperiment()
    await fixture.split(50)
    await fixture.come({ units: 30, green: 0.5, buys: { blue: 0.5, green: 0.5 } })
    expect((await read(fixture)).effect).toBeUndefined()
  })

  test.each([
    [{ control: 'violet' }, 'DEPLOYMENT_UNKNOWN'],
    [{ alpha: '1' }, 'INVALID_REQUEST'],
  ])('with %j is refused', async (query, type) => {
    await using fixture = await openExperiment()
    await expect(read(fixture, query)).rejects.toThrow(type)
  })
})
