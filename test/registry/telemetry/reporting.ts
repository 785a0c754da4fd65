/** Reports of an endpoint `e` whose deployments serve models with the linear spec, and what the registry has of them. */
import type { PairCounts, ProfileReport, TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { digestOf, type Fixture, linearSpec, openServing, sendJson } from '../fixture.ts'

export const at = Date.parse('2026-11-24T10:00:30Z')
export const spec = digestOf(JSON.stringify(linearSpec))
export const empty = new Array(33).fill(0)

export function profile(changes: Partial<ProfileReport> = {}): ProfileReport {
  return {
    deployment: 'blue',
    version: 1,
    variant: 'fp32',
    provider: 'wasm',
    device: 'desktop',
    spec,
    rows: 3,
    counts: { a: [1, 2, 0, 0, 0, 0], b: [3, 0, 0, 0, 0] },
    outputs: { value: [3, 0, 0, 0, 0] },
    latency: empty.with(4, 3),
    errors: { RUN_FAILED: 1 },
    ...changes,
  }
}

export function report(changes: Partial<TelemetryReport> = {}): TelemetryReport {
  return {
    sender: 'a'.repeat(22),
    seq: 1,
    window: '2026-11-24T10:00:00Z',
    endpoint: 'e',
    revision: at,
    profiles: [profile()],
    exposures: [],
    outcomes: [],
    ...changes,
  }
}

export const openCounting = () => openServing({ now: () => at })

export function post(fixture: Fixture, body: unknown): Promise<Response> {
  return sendJson(fixture, 'POST', '/api/v1/telemetry', body)
}

export function pairs(changes: Partial<PairCounts>): PairCounts {
  return { rows: 3, clusters: 3, counts: {}, outputs: {}, ...changes }
}

export async function sums(fixture: Fixture, query = ''): Promise<unknown> {
  return ((await (await fixture.request(`/api/v1/endpoints/e/profiles${query}`)).json()) as { items: unknown }).items
}
