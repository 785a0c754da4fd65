/** Endpoints with monitors of performance and of health that have something to say. */
import { expect } from 'vitest'
import { openRandom } from '../../runtime/drift/random.ts'
import { digestOf, type Fixture, linearSpec, openServing, sendJson } from '../fixture.ts'
import { type House, specOf } from './california.ts'
import { quick } from './fixture.ts'
import { at, openJudged, reportOf, tell } from './judged.ts'

export async function putMonitor(fixture: Fixture, monitor: string, body: object): Promise<void> {
  expect((await sendJson(fixture, 'PUT', `/api/v1/endpoints/e/monitors/${monitor}`, body)).status).toBe(201)
}

/**
 * Monitor `sales` of whether houses were sold, after a baseline in which two of three answers are right.
 *
 * @param flipped - share of outcomes that are the other way round
 */
export async function openSales(flipped: number): Promise<Fixture> {
  const { uniform } = openRandom(1)
  const housesOf = (count: number, flipped: number): House[] =>
    Array.from({ length: count }, () => {
      const score = uniform()
      const isPositive = uniform() < score
      return { score, isPositive: uniform() < flipped ? !isPositive : isPositive }
    })
  const spec = specOf(housesOf(5000, 0))
  const clock = { now: at }
  const fixture = await openJudged(spec, clock)
  await putMonitor(fixture, 'sales', { ...quick, signal: 'performance', outcome: 'sold' })
  await tell(fixture, spec, housesOf(3000, flipped), ({ isPositive }) => isPositive)
  clock.now = at + 2 * 60_000
  return fixture
}

/** Monitor `alive` of a minute in which 90 of 1,090 requests failed and none was slow. */
export async function openFailing(): Promise<Fixture> {
  const clock = { now: at }
  const fixture = await openServing({ now: () => clock.now })
  await putMonitor(fixture, 'alive', { ...quick, signal: 'health', limits: { errors: 0.02, latencyMs: 500 } })
  const latency = new Array(33).fill(0)
  latency[3] = 1000
  const what = { deployment: 'blue', version: 1, variant: 'fp32', provider: 'wasm', device: 'server' } as const
  const spec = digestOf(JSON.stringify(linearSpec))
  const profile = { ...what, spec, rows: 1000, counts: {}, outputs: {}, latency, errors: { RUN_FAILED: 90 } }
  const told = await sendJson(fixture, 'POST', '/api/v1/telemetry', reportOf(1, { profiles: [profile] }))
  expect(told.status).toBe(200)
  clock.now = at + 60_000
  return fixture
}
