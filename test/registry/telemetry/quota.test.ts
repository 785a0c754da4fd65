import { describe, expect, test } from 'vitest'
import type { RegistryOptions } from '../../../registry/registry.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { limits } from '../../../runtime/limits.ts'
import { digestOf, type Fixture, linearSpec, openServing, sendJson } from '../fixture.ts'

const at = Date.parse('2026-11-24T10:00:30Z')

async function openTokens(options: Partial<RegistryOptions> = {}) {
  const clock = { now: at }
  const fixture = await openServing({ now: () => clock.now, ...options })
  const create = async (role: string, token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const made = await sendJson(fixture, 'POST', '/api/v1/tokens', { role }, headers)
    return ((await made.json()) as { secret: string }).secret
  }
  const tokens = { page: await create('page'), other: await create('page'), admin: await create('admin') }
  return Object.assign(fixture, { clock, tokens })
}

// What the quota lets through is refused for its body, which costs less than to count it.
async function ask(fixture: Fixture, token: string, from: string, headers: Record<string, string> = {}) {
  const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{}' }
  return await fixture.request('/api/v1/telemetry', { ...init, token, from })
}

describe('TE-03: reports past the quota of a page token', () => {
  test('wait unread, are counted, and those of other tokens and networks go on', async () => {
    await using fixture = await openTokens()
    const { page, other, admin } = fixture.tokens
    for (let i = 0; i < limits.pageReports; i++) await ask(fixture, page, '192.0.2.1')
    const late = await ask(fixture, page, '192.0.2.1')
    expect([late.status, late.headers.get('retry-after')]).toEqual([429, '60'])
    // TE-04: what a header says is no address.
    const forged = { 'x-forwarded-for': '198.51.100.7', forwarded: 'for=198.51.100.7' }
    expect((await ask(fixture, page, '::ffff:192.0.2.1', forged)).status).toBe(429)
    // So that a refusal costs what its head costs, however much there is to read.
    let pulled = 0
    const body = new ReadableStream({ pull: () => void pulled++ }, { highWaterMark: 0 })
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body, duplex: 'half', token: page, from: '192.0.2.1' } as const
    expect((await fixture.request('/api/v1/telemetry', init)).status).toBe(429)
    expect(pulled).toBe(0)
    for (const [token, from] of [
      [other, '192.0.2.1'],
      [page, '192.0.2.2'],
      [admin, '192.0.2.1'],
    ] as const) {
      expect((await ask(fixture, token, from)).status).toBe(400)
    }
    const metrics = await (await fixture.request('/metrics', { token: admin })).text()
    expect(metrics).toContain('selvedge_reports_refused_total{reason="quota"} 3')
    fixture.clock.now += 60_000
    expect((await ask(fixture, page, '192.0.2.1')).status).toBe(400)
  }, 60_000)
})

describe('TE-04: reports that come by way of a proxy', () => {
  test('count for the network of which a trusted one tells', async () => {
    await using fixture = await openTokens({ trustedProxies: '10.0.0.0/8' })
    const { page } = fixture.tokens
    const via = (forwarded: string) => ask(fixture, page, '10.0.0.1', { 'x-forwarded-for': forwarded })
    for (let i = 0; i < limits.pageReports; i++) await via(`198.51.100.${i % 200}, 192.0.2.1`)
    expect((await via('192.0.2.1')).status).toBe(429)
    expect((await via('192.0.2.2')).status).toBe(400)
    expect((await ask(fixture, page, '192.0.2.1')).status).toBe(429)
  }, 60_000)
})

describe('TE-09: units by the thousand', () => {
  const unitOf = (i: number) => String(i).padStart(22, 'u')
  const report = (seq: number, events: Pick<TelemetryReport, 'exposures' | 'outcomes'>) => ({
    sender: 'a'.repeat(22),
    seq,
    window: '2026-11-24T10:00:00Z',
    endpoint: 'e',
    revision: at,
    profiles: [],
    ...events,
  })
  const send = async (fixture: Awaited<ReturnType<typeof openTokens>>, body: unknown, token: string, from: string) => {
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: JSON.stringify(body), token, from }
    expect((await fixture.request('/api/v1/telemetry', init)).status).toBe(200)
  }
  const metrics = async (fixture: Awaited<ReturnType<typeof openTokens>>) =>
    await (await fixture.request('/metrics', { token: fixture.tokens.admin })).text()
  const page = async (fixture: Awaited<ReturnType<typeof openTokens>>) =>
    await (await fixture.request('/', { token: fixture.tokens.admin })).text()

  test('past a thousand new ones of one /64 a minute are left out and counted; those of others are not', async () => {
    await using fixture = await openTokens()
    const exposures = (from: number) =>
      Array.from({ length: 250 }, (_, i) => ({
        unit: unitOf(from + i),
        deployment: 'blue',
        at: '2026-11-24T10:00:00Z',
      }))
    for (let i = 0; i < 8; i++) {
      const body = report(i + 1, { exposures: exposures(i * 250), outcomes: [] })
      await send(fixture, body, fixture.tokens.page, `2001:db8::${i + 1}`)
    }
    await send(fixture, report(9, { exposures: exposures(2000), outcomes: [] }), fixture.tokens.page, '2001:db8:0:1::1')
    expect(await metrics(fixture)).toContain('selvedge_events_refused_total{reason="quota"} 1000')
    expect(await page(fixture)).toContain('1,250 exposures')
  })

  test('ten thousand outcomes of one unit in a minute are one', async () => {
    await using fixture = await openTokens()
    for (let i = 0; i < 50; i++) {
      const outcomes = Array.from({ length: 200 }, (_, k) => ({
        unit: unitOf(1),
        at: new Date(at - 30_000 + (i * 200 + k)).toISOString(),
        values: { accepted: true },
      }))
      await send(fixture, report(i + 1, { exposures: [], outcomes }), fixture.tokens.page, '192.0.2.1')
    }
    expect(await page(fixture)).toContain('1 outcome')
  })

  test('one with outcomes in more than a hundred minutes of a day is left out, and what it tells then is counted', async () => {
    await using fixture = await openTokens()
    const outcomes = (count: number) =>
      Array.from({ length: count }, (_, i) => ({
        unit: unitOf(1),
        at: new Date(at - 30_000 - i * 60_000).toISOString(),
        values: { accepted: true },
      }))
    await send(fixture, report(1, { exposures: [], outcomes: outcomes(101) }), fixture.tokens.page, '192.0.2.1')
    expect(await metrics(fixture)).not.toContain('busy_unit')
    await send(fixture, report(2, { exposures: [], outcomes: outcomes(7) }), fixture.tokens.page, '192.0.2.1')
    expect(await metrics(fixture)).toContain('selvedge_events_refused_total{reason="busy_unit"} 7')
  })
})

describe('TE-02: the Origin of a report', () => {
  test('proves nothing: whatever it says, a page token is worth a page', async () => {
    await using fixture = await openTokens()
    const { page, admin } = fixture.tokens
    const report = {
      sender: 'a'.repeat(22),
      window: '2026-11-24T10:00:00Z',
      endpoint: 'e',
      revision: at,
      exposures: [],
      outcomes: [],
    }
    const origins = [undefined, 'https://foreign.example', 'http://localhost:3000', 'null']
    for (const [i, origin] of origins.entries()) {
      const headers = { authorization: `Bearer ${page}`, ...(origin !== undefined && { origin }) }
      const profiles = [{ ...counts, rows: i + 1 }]
      const answer = await sendJson(fixture, 'POST', '/api/v1/telemetry', { ...report, seq: i + 1, profiles }, headers)
      expect(await answer.json()).toEqual({ counted: true })
      const read = await fixture.request('/api/v1/endpoints/e/profiles', { token: admin })
      expect(await read.json()).toMatchObject({ items: [{ tier: 'page', rows: i + 1 }] })
    }
    for (const origin of origins) {
      const headers: Record<string, string> = origin === undefined ? {} : { origin }
      expect((await sendJson(fixture, 'POST', '/api/v1/telemetry', report, headers)).status).toBe(401)
    }
  })
})

const counts = {
  deployment: 'blue',
  version: 1,
  variant: 'fp32',
  provider: 'wasm',
  device: 'desktop',
  spec: digestOf(JSON.stringify(linearSpec)),
  counts: {},
  outputs: {},
  latency: new Array(33).fill(0),
  errors: {},
}
