/** A registry with a monitored endpoint, and reports of pages for it. */
import { expect } from 'vitest'
import type { RegistryOptions } from '../../../registry/registry.ts'
import { type DriftReport, driftReport } from '../../../runtime/contract/monitor.ts'
import type { ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { buildProfileSpec } from '../../../runtime/telemetry/baseline.ts'
import { openRandom } from '../../runtime/drift/random.ts'
import { bytesOf, digestOf, type Fixture, linearFiles, openFixture, pushModel, sendJson } from '../fixture.ts'
import { countRows, type SentRow, senderOf } from './senders.ts'

export const at = Date.parse('2026-11-24T10:00:30Z')

/** Model `m@1` with a baseline of 5,000 rows behind endpoint `e`, made at 10:00. */
export async function openMonitored(
  clock: { now: number } = { now: at },
  options: Partial<RegistryOptions> = {},
): Promise<Fixture & { spec: ProfileSpec }> {
  const rows = draw(5000, 1)
  const spec = buildProfileSpec({
    features: ['a', 'b'].map((name, index) => ({ name, kind: 'numeric', input: 'x', index })),
    output: { kind: 'regression', tensor: 'y' },
    rows: rows.map(({ features }) => features),
    outputs: rows.map(({ outputs }) => outputs),
  })
  const fixture = await openFixture({ now: () => clock.now, ...options })
  await pushModel(fixture, 'm', '1', { ...linearFiles(), 'profile.json': bytesOf(spec) })
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'm', version: 1 })
  return Object.assign(fixture, { spec })
}

/** The same with monitor `mine` and eight minutes of rows of which `a` moved by 0.4 standard deviations, `b` did not. */
export async function openDrifted(): Promise<Fixture & { spec: ProfileSpec }> {
  const clock = { now: at }
  const fixture = await openMonitored(clock)
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/monitors/mine', quick)
  clock.now = at + 8 * 60_000
  await post(fixture, reportsOf(fixture.spec, draw(4000, 2, 0.4)))
  return fixture
}

export function draw(count: number, seed: number, shift = 0) {
  const { normal } = openRandom(seed)
  return Array.from({ length: count }, () => {
    const features = { a: normal() + shift, b: normal() }
    return { features, outputs: { value: features.a + 2 * features.b } }
  })
}

/** Reports of five rows each, a hundred senders a minute. */
export function reportsOf(spec: ProfileSpec, rows: ReturnType<typeof draw>): TelemetryReport[] {
  const sent: SentRow[] = rows.map((row, i) => ({
    ...row,
    sender: senderOf(Math.floor(i / 5)),
    window: new Date(at - 30_000 + Math.floor(i / 500) * 60_000).toISOString(),
  }))
  return countRows(spec, sent).map(({ sender, window, rows, counts, outputs }) => ({
    sender,
    seq: 1,
    window,
    endpoint: 'e',
    revision: at,
    profiles: [
      {
        deployment: 'blue',
        version: 1,
        variant: 'fp32',
        provider: 'wasm',
        device: 'desktop',
        spec: digestOf(JSON.stringify(spec)),
        rows,
        counts,
        outputs,
        latency: new Array(33).fill(0),
        errors: {},
      },
    ],
    exposures: [],
    outcomes: [],
  }))
}

export async function post(fixture: Fixture, reports: readonly TelemetryReport[]): Promise<void> {
  const answers = await Promise.all(reports.map((report) => sendJson(fixture, 'POST', '/api/v1/telemetry', report)))
  expect([...new Set(answers.map(({ status }) => status))]).toEqual([200])
}

export async function drift(fixture: Fixture, query = ''): Promise<DriftReport> {
  const answer = await fixture.request(`/api/v1/endpoints/e/drift${query}`)
  expect(answer.status).toBe(200)
  return driftReport.parse(await answer.json())
}

export const quick = { season: 'none', window: '1m' }
