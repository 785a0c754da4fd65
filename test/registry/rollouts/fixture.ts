/** A registry that serves two versions, and what pages report of them. */
import { expect, vi } from 'vitest'
import { type Rollout, rollout } from '../../../runtime/contract/rollout.ts'
import type { ProfileReport, TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { digestOf, type Fixture, linearSpec, openServing, sendJson } from '../fixture.ts'

export interface Clock {
  now: number
}

export const began = Date.parse('2026-11-24T10:00:00Z')

export async function openClocked(clock: Clock = { now: began }): Promise<Fixture> {
  return await openServing({ now: () => clock.now })
}

export const path = '/api/v1/endpoints/e/rollouts'

export async function etagOf(fixture: Fixture, address: string): Promise<string> {
  return (await fixture.request(address)).headers.get('etag') ?? ''
}

/** Green from 10 percent on, then a half, unless a part says something else. */
export async function begin(fixture: Fixture, part: Record<string, unknown> = {}): Promise<Rollout> {
  const body = { deployment: 'green', steps: [10, 50, 100], hold: '1s', minUnits: 0, guards: [], ...part }
  const etag = await etagOf(fixture, '/api/v1/endpoints/e/traffic')
  const answer = await sendJson(fixture, 'POST', path, body, { 'if-match': etag })
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
  return rollout.parse(await answer.json())
}

export async function read(fixture: Fixture, id = '1'): Promise<Rollout> {
  const answer = await fixture.request(`${path}/${id}`)
  expect(answer.status).toBe(200)
  return rollout.parse(await answer.json())
}

/** Waits for a rollout that the registry moves by itself. */
export async function until(fixture: Fixture, is: (rollout: Rollout) => boolean, id = '1'): Promise<Rollout> {
  return await vi.waitFor(
    async () => {
      const found = await read(fixture, id)
      if (!is(found)) throw new Error(`step ${found.step}, ${found.state}: ${JSON.stringify(found.now?.waits)}`)
      return found
    },
    { timeout: 20_000, interval: 100 },
  )
}

export async function patch(fixture: Fixture, body: unknown, id = '1'): Promise<Response> {
  return await sendJson(fixture, 'PATCH', `${path}/${id}`, body, { 'if-match': await etagOf(fixture, `${path}/${id}`) })
}

export async function planOf(fixture: Fixture): Promise<Record<string, unknown>> {
  const jws = await (await fixture.request('/api/v1/endpoints/e/plan')).text()
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString())
}

/** What a page counted in a minute. */
export interface Page {
  deployment: 'blue' | 'green'
  /** Requests. */
  answered: number
  failed?: number
  /** Cell of the latency of all of them; -1 where the host's clock stands still. */
  cell?: number
  /** Rows in each cell of output `value`. */
  value?: number[]
  errors?: Record<string, number>
  /** Of the requests and errors, those that named the deployment. */
  pinned?: ProfileReport['pinned']
  device?: ProfileReport['device']
}

/** The JSON of an answer, of which the caller knows the form. */
export async function json<Body>(answer: Response | Promise<Response>): Promise<Body> {
  return (await (await answer).json()) as Body
}

export interface Items<Item = Record<string, unknown>> {
  items: Item[]
}

let senders = 0

export async function report(
  fixture: Fixture,
  window: string,
  revision: number,
  pages: readonly Page[],
): Promise<void> {
  const answers = await Promise.all(
    pages.map((page) => sendJson(fixture, 'POST', '/api/v1/telemetry', reportOf(page, window, revision))),
  )
  expect([...new Set(answers.map(({ status }) => status))]).toEqual([200])
}

export function reportOf(page: Page, window: string, revision: number): TelemetryReport {
  const latency = new Array<number>(33).fill(0)
  if (page.cell !== -1) latency[page.cell ?? 14] = page.answered
  const profile: ProfileReport = {
    deployment: page.deployment,
    version: page.deployment === 'blue' ? 1 : 2,
    variant: 'fp32',
    provider: 'wasm',
    device: page.device ?? 'desktop',
    spec: digestOf(JSON.stringify(linearSpec)),
    rows: page.answered,
    counts: {},
    outputs: page.value ? { value: page.value } : {},
    latency,
    errors: page.errors ?? (page.failed ? { RUN_FAILED: page.failed } : {}),
    ...(page.pinned && { pinned: page.pinned }),
  }
  const sender = String(++senders).padStart(22, '0')
  return { sender, seq: 1, window, endpoint: 'e', revision, profiles: [profile], exposures: [], outcomes: [] }
}

export function times(count: number, page: Page): Page[] {
  return Array.from({ length: count }, () => page)
}
