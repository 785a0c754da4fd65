/** An endpoint with a model of two classes, and what a host tells of units: what they were answered and what came of it. */
import { expect } from 'vitest'
import type { ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import {
  bytesOf,
  digestOf,
  type Fixture,
  linearDescription,
  linearFiles,
  openFixture,
  pushModel,
  sendJson,
} from '../fixture.ts'
import { cellsOf, type House, output } from './california.ts'
import { senderOf } from './senders.ts'

export const at = Date.parse('2026-11-24T10:00:30Z')

/** Model `m@1` of two classes behind `e`. */
export async function openJudged(spec: ProfileSpec, clock = { now: at }): Promise<Fixture> {
  const fixture = await openFixture({ now: () => clock.now })
  const files = {
    ...linearFiles(),
    'selvedge.json': bytesOf({ ...linearDescription, output }),
    'profile.json': bytesOf(spec),
  }
  await pushModel(fixture, 'm', '1', files)
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'm', version: 1 })
  return fixture
}

export function reportOf(seq: number, changes: Partial<TelemetryReport>): TelemetryReport {
  return {
    sender: senderOf(7),
    seq,
    window: '2026-11-24T10:00:00Z',
    endpoint: 'e',
    revision: at,
    profiles: [],
    exposures: [],
    outcomes: [],
    ...changes,
  }
}

export const unitOf = (place: number) => senderOf(place)

/** Exposures and outcomes of a unit a house, told by one host in many reports. */
export async function tell(
  fixture: Fixture,
  spec: ProfileSpec,
  houses: readonly House[],
  value: (house: House) => unknown,
) {
  const digest = digestOf(JSON.stringify(spec))
  const reports = Array.from({ length: Math.ceil(houses.length / 150) }, (_, part) => {
    const start = part * 150
    const some = houses.slice(start, start + 150)
    return reportOf(start + 1, {
      exposures: some.map((house, i) => ({
        unit: unitOf(start + i),
        deployment: 'blue',
        at: '2026-11-24T10:00:00Z',
        prediction: { version: 1, spec: digest, cells: cellsOf(spec, house) },
      })),
      outcomes: some.map((house, i) => ({
        unit: unitOf(start + i),
        at: '2026-11-24T10:00:10Z',
        values: { sold: value(house) as boolean },
      })),
    })
  })
  const answers = await Promise.all(reports.map((report) => sendJson(fixture, 'POST', '/api/v1/telemetry', report)))
  expect([...new Set(answers.map(({ status }) => status))]).toEqual([200])
}
