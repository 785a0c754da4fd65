import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ProfileSum } from '../../../runtime/contract/control.ts'
import type { PairCounts, ProfileReport, TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { limits } from '../../../runtime/limits.ts'
import { digestOf, type Fixture, linearSpec, openServing, sendJson } from '../fixture.ts'

const at = Date.parse('2026-11-24T10:00:30Z')
const spec = digestOf(JSON.stringify(linearSpec))
const empty = new Array(33).fill(0)

function profile(changes: Partial<ProfileReport> = {}): ProfileReport {
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

function report(changes: Partial<TelemetryReport> = {}): TelemetryReport {
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

const openCounting = () => openServing({ now: () => at })

function post(fixture: Fixture, body: unknown): Promise<Response> {
  return sendJson(fixture, 'POST', '/api/v1/telemetry', body)
}

async function postGzip(fixture: Fixture, body: Uint8Array<ArrayBuffer>, encoding = 'gzip'): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'content-encoding': encoding }
  return await fixture.request('/api/v1/telemetry', { method: 'POST', headers, body })
}

function pairs(changes: Partial<PairCounts>): PairCounts {
  return { rows: 3, clusters: 3, counts: {}, outputs: {}, ...changes }
}

async function sums(fixture: Fixture, query = ''): Promise<unknown> {
  return ((await (await fixture.request(`/api/v1/endpoints/e/profiles${query}`)).json()) as { items: unknown }).items
}

describe('a report', () => {
  test('is counted, with the spec that it was counted against', async () => {
    await using fixture = await openCounting()
    expect(await (await post(fixture, report())).json()).toEqual({ counted: true })
    expect(await sums(fixture)).toEqual([{ ...profile(), tier: 'trusted', senders: 1, baseline: linearSpec }])
  })

  test('counts once, whether it comes again, late or replaced by a later one', async () => {
    await using fixture = await openCounting()
    const counted = async (body: TelemetryReport) =>
      ((await (await post(fixture, body)).json()) as { counted: boolean }).counted
    expect(await counted(report({ seq: 3 }))).toBe(true)
    expect(await counted(report({ seq: 3 }))).toBe(false)
    expect(await counted(report({ seq: 2, profiles: [profile({ rows: 2 })] }))).toBe(false)
    expect(await sums(fixture)).toMatchObject([{ rows: 3 }])
    expect(await counted(report({ seq: 4, profiles: [profile({ rows: 9 })] }))).toBe(true)
    expect(await sums(fixture)).toMatchObject([{ rows: 9, senders: 1 }])
  })

  test('survives a restart once it was acknowledged', async () => {
    await using fixture = await openCounting()
    await post(fixture, report())
    await fixture.restart()
    expect(await (await post(fixture, report())).json()).toEqual({ counted: false })
    expect(await sums(fixture)).toMatchObject([{ rows: 3 }])
  })

  test('sums are those of the last report of each sender and window, in any order and with repeats', async () => {
    const count = fc.nat({ max: 1000 })
    const message = fc.record({
      sender: fc.constantFrom('a', 'b', 'c'),
      window: fc.constantFrom('2026-11-24T09:58:00Z', '2026-11-24T09:59:00Z'),
      seq: fc.integer({ min: 1, max: 4 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(message, { selector: ({ sender, window, seq }) => `${sender}${window}${seq}`, maxLength: 12 }),
        fc.array(count, { minLength: 24, maxLength: 24 }),
        fc.array(fc.nat(), { minLength: 24, maxLength: 24 }),
        async (messages, counts, order) => {
          await using fixture = await openCounting()
          const reports = messages.map(({ sender, window, seq }, i) => {
            const low = counts[i] ?? 0
            const high = counts[i + 12] ?? 0
            const rows = low + high
            return report({
              sender: sender.repeat(22),
              window,
              seq,
              profiles: [
                profile({
                  rows,
                  counts: { a: [low, high, 0, 0, 0, 0], b: [rows, 0, 0, 0, 0] },
                  outputs: { value: [rows, 0, 0, 0, 0] },
                }),
              ],
            })
          })
          const last = new Map<string, TelemetryReport>()
          for (const each of [...reports].sort((a, b) => a.seq - b.seq)) last.set(each.sender + each.window, each)
          const want = [0, 0]
          for (const { profiles } of last.values()) {
            want[0] = (want[0] ?? 0) + (profiles[0]?.counts.a?.[0] ?? 0)
            want[1] = (want[1] ?? 0) + (profiles[0]?.counts.a?.[1] ?? 0)
          }
          const sent = [...reports, ...reports]
            .map((each, i) => ({ each, key: order[i % order.length] ?? 0 }))
            .sort((a, b) => a.key - b.key)
          await Promise.all(sent.map(({ each }) => post(fixture, each)))
          const [sum] = (await sums(fixture)) as { counts: Record<string, number[]>; senders: number }[]
          expect(sum?.counts.a ?? [0, 0, 0, 0, 0, 0]).toEqual([...want, 0, 0, 0, 0])
          expect(sum?.senders ?? 0).toBe(new Set(messages.map(({ sender }) => sender)).size)
        },
      ),
      { numRuns: 15 },
    )
  })

  test('sums are kept apart by deployment, provider and device, and by window', async () => {
    await using fixture = await openCounting()
    const profiles = [
      profile(),
      profile({ provider: 'cpu', device: 'server' }),
      profile({ deployment: 'green', version: 2 }),
    ]
    await post(fixture, report({ profiles }))
    await post(fixture, report({ window: '2026-11-24T09:00:00Z', profiles: [profile()] }))
    expect(await sums(fixture)).toMatchObject([
      { deployment: 'blue', provider: 'cpu', rows: 3 },
      { deployment: 'blue', provider: 'wasm', rows: 6 },
      { deployment: 'green', provider: 'wasm', rows: 3 },
    ])
    expect(await sums(fixture, '?since=2026-11-24T09:30:00Z')).toMatchObject([{ rows: 3 }, { rows: 3 }, { rows: 3 }])
  })
})

describe('a report that does not fit', () => {
  const cases: [string, TelemetryReport][] = [
    ['of an unknown endpoint', report({ endpoint: 'missing' })],
    ['of a deployment that was never served', report({ profiles: [profile({ deployment: 'red' })] })],
    ['of a version that was never served', report({ profiles: [profile({ version: 2 })] })],
    ['of an unknown variant', report({ profiles: [profile({ variant: 'int8' })] })],
    ['against another spec', report({ profiles: [profile({ spec: digestOf('other') })] })],
    ['with a cell too few', report({ profiles: [profile({ counts: { a: [1, 2, 0, 0, 0], b: [3, 0, 0, 0, 0] } })] })],
    [
      'with sums of pairs of another size',
      report({ profiles: [profile({ units: pairs({ counts: { a: [1, 2] } }) })] }),
    ],
    ['with more rows of units than rows', report({ profiles: [profile({ units: pairs({ rows: 4 }) })] })],
    [
      'with more pinned requests than requests',
      report({ profiles: [profile({ pinned: { rows: 3, outputs: {}, latency: empty.with(4, 4), errors: {} } })] }),
    ],
    ['with one key twice', report({ profiles: [profile(), profile()] })],
    ['with counts beyond reason', report({ profiles: [profile({ rows: Number.MAX_SAFE_INTEGER })] })],
    ['TE-06 from before the window of the clock', report({ window: '2026-11-17T10:00:00Z' })],
    ['TE-06 from 1970', report({ window: '1970-01-01T00:00:00Z' })],
    ['TE-06 from 9999', report({ window: '9999-01-01T00:00:00Z' })],
    ['TE-06 from six minutes ahead', report({ window: '2026-11-24T10:06:00Z' })],
    ['not on a whole minute', report({ window: '2026-11-24T10:00:01Z' })],
    [
      'with an exposure to nothing',
      report({ exposures: [{ unit: 'u'.repeat(22), deployment: 'red', at: '2026-11-24T10:00:00Z' }] }),
    ],
  ]
  for (const [name, body] of cases) {
    test(`${name} is refused and not counted`, async () => {
      await using fixture = await openCounting()
      const answer = await post(fixture, body)
      expect(await answer.json()).toMatchObject({ status: 422, type: 'TELEMETRY_REFUSED' })
      expect(await sums(fixture)).toEqual([])
      expect(await (await fixture.request('/api/v1/endpoints/e/hosts')).json()).toEqual({ items: [] })
    })
  }

  test('TE-06 with a time that is none is a bad request', async () => {
    await using fixture = await openCounting()
    for (const window of ['NaN', '-1', '', null]) {
      expect((await post(fixture, { ...report(), window })).status).toBe(400)
    }
  })

  test('TE-13 with names and codes that nobody knows keeps none of them', async () => {
    await using fixture = await openCounting()
    const strange = profile({
      counts: { a: [1, 2, 0, 0, 0, 0], made_up: [7], __proto: [1] },
      errors: { MADE_UP: 2, OTHER_MADE_UP: 3, RUN_FAILED: 1 },
    })
    expect((await post(fixture, report({ profiles: [strange] }))).status).toBe(200)
    expect(await sums(fixture)).toMatchObject([
      { counts: { a: [1, 2, 0, 0, 0, 0], b: [0, 0, 0, 0, 0] }, errors: { INTERNAL: 5, RUN_FAILED: 1 } },
    ])
  })

  test('TE-14 of one byte over the limit is 413 before it is parsed', async () => {
    await using fixture = await openCounting()
    const body = JSON.stringify(report())
    const most = body + ' '.repeat(limits.telemetryBytes - body.length)
    expect((await post(fixture, most)).status).toBe(200)
    expect(await (await post(fixture, `${most} `)).json()).toMatchObject({ status: 413, type: 'BODY_TOO_LARGE' })
    expect((await post(fixture, '['.repeat(limits.telemetryBytes + 1))).status).toBe(413)
  })

  test('TE-14 may come as gzip, as every answer says', async () => {
    await using fixture = await openCounting()
    const taken = await postGzip(fixture, gzipSync(JSON.stringify(report())))
    expect([taken.status, taken.headers.get('accept-encoding')]).toEqual([200, 'gzip'])
    expect(taken.headers.get('access-control-expose-headers')).toContain('accept-encoding')
    expect(await sums(fixture)).toMatchObject([{ rows: 3 }])
    const refused = await postGzip(fixture, gzipSync(JSON.stringify(report())), 'br')
    expect([refused.status, refused.headers.get('accept-encoding')]).toEqual([415, 'gzip'])
  })

  test('TE-14 as gzip of one byte over the limit is 413, and of what is no gzip 400', async () => {
    await using fixture = await openCounting()
    const body = JSON.stringify(report())
    const most = body + ' '.repeat(limits.telemetryBytes - body.length)
    expect((await postGzip(fixture, gzipSync(most))).status).toBe(200)
    expect(await (await postGzip(fixture, gzipSync(`${most} `))).json()).toMatchObject({
      status: 413,
      type: 'BODY_TOO_LARGE',
    })
    for (const broken of [Buffer.from(body), gzipSync(body).subarray(0, -4), gzipSync(body).fill(0, 20), Buffer.of()]) {
      const answer = await postGzip(fixture, broken)
      expect(await answer.json()).toMatchObject({ status: 400, type: 'INVALID_REQUEST' })
    }
  })

  test('TE-14 that is a gzip bomb is refused when it passes the limit, long before it is inflated', async () => {
    await using fixture = await openCounting()
    // A member of 48 MiB in 48 KiB, and behind it bytes that are no gzip: whoever came to them would answer 400.
    const bomb = Buffer.concat([gzipSync(Buffer.alloc(48 * 1024 * 1024)), Buffer.from('no gzip')])
    expect(bomb.length).toBeLessThan(limits.telemetryBytes)
    expect((await postGzip(fixture, bomb)).status).toBe(413)
  })

  test('is the only body that may be compressed', async () => {
    await using fixture = await openCounting()
    const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json' }
    const body = gzipSync('{}')
    const answer = await fixture.request('/api/v1/tokens', { method: 'POST', headers, body })
    expect([answer.status, answer.headers.get('accept-encoding')]).toEqual([415, null])
  })
})

describe('reports by page tokens', () => {
  async function openTokens() {
    const fixture = await openCounting()
    const tokenOf = async (role: string, token?: string) => {
      const made = await sendJson(fixture, 'POST', '/api/v1/tokens', { role }, headersOf(token))
      return ((await made.json()) as { secret: string }).secret
    }
    const page = await tokenOf('page')
    const admin = await tokenOf('admin')
    const read = async () =>
      (await (await fixture.request('/api/v1/endpoints/e/profiles', { token: admin })).json()) as {
        items: Required<ProfileSum>[]
      }
    const send = async (body: TelemetryReport, token: string) => {
      const answer = await sendJson(fixture, 'POST', '/api/v1/telemetry', body, headersOf(token))
      expect(answer.status).toBe(200)
    }
    return Object.assign(fixture, { page, admin, read, send })
  }

  const headersOf = (token?: string): Record<string, string> =>
    token === undefined ? {} : { authorization: `Bearer ${token}` }
  const senderOf = (i: number) => String(i).padStart(22, '0')

  test('TE-08: are a tier of their own, whose pairs of units nobody vouches for', async () => {
    await using fixture = await openTokens()
    const profiles = [profile({ device: 'server', units: pairs({}) })]
    await fixture.send(report({ profiles }), fixture.page)
    await fixture.send(report({ profiles, sender: 'b'.repeat(22) }), fixture.admin)
    expect((await fixture.read()).items).toMatchObject([
      { tier: 'page', rows: 3, senders: 1, shares: { counts: { a: [333_333, 666_666, 0, 0, 0, 0] } } },
      { tier: 'trusted', rows: 3, senders: 1 },
    ])
  })

  test('TE-08: one in a hundred who lies moves no quantile by more than one rank percent', async () => {
    await using fixture = await openTokens()
    const clients = 300
    const told = (i: number, isLying: boolean): TelemetryReport => {
      const rows = isLying ? 1_000_000_000 : 1 + ((i * i) % 37)
      const low = isLying ? rows : (i * 7) % (rows + 1)
      const counts = { a: [low, rows - low, 0, 0, 0, 0], b: [rows, 0, 0, 0, 0] }
      const latency = isLying ? empty.with(32, rows) : empty.with(i % 5, rows)
      const outputs = { value: [rows, 0, 0, 0, 0] }
      return report({ sender: senderOf(i), profiles: [profile({ rows, counts, outputs, latency })] })
    }
    const published: Required<ProfileSum>['shares'][] = []
    for (const liars of [0, clients / 100]) {
      // The liars send again, and more: what they said before is replaced.
      const all = Array.from({ length: clients }, (_, i) => ({ ...told(i, i < liars), seq: 1 + liars }))
      await Promise.all(all.map((body) => fixture.send(body, fixture.page)))
      const [sum] = (await fixture.read()).items
      if (sum !== undefined) published.push(sum.shares)
    }
    const ranks = (cells: readonly number[] = []) => cells.map((_, i) => cells.slice(0, i + 1).reduce((a, b) => a + b))
    const [honest, lied] = published
    for (const of of [(shares = honest) => shares?.counts.a, (shares = honest) => shares?.latency]) {
      const moved = ranks(of(lied)).map((rank, i) => Math.abs(rank - (ranks(of(honest))[i] ?? 0)))
      expect(Math.max(...moved)).toBeGreaterThan(0)
      expect(Math.max(...moved)).toBeLessThanOrEqual(10_002)
    }
  })
})

describe('hosts', () => {
  test('are seen with their revision, providers and rows, the latest first', async () => {
    let now = at
    await using fixture = await openServing({ now: () => now })
    await post(fixture, report())
    now += 5000
    await post(fixture, report({ seq: 2, profiles: [profile(), profile({ provider: 'cpu' })] }))
    await post(fixture, report({ sender: 'b'.repeat(22), profiles: [profile({ device: 'mobile', rows: 1 })] }))
    const { items } = (await (await fixture.request('/api/v1/endpoints/e/hosts')).json()) as { items: unknown[] }
    const seen = new Date(now).toISOString()
    expect(items).toEqual([
      {
        sender: 'a'.repeat(22),
        endpoint: 'e',
        revision: at,
        firstSeenAt: new Date(at).toISOString(),
        lastSeenAt: seen,
        providers: ['cpu', 'wasm'],
        device: 'desktop',
        rows: 6,
      },
      {
        sender: 'b'.repeat(22),
        endpoint: 'e',
        revision: at,
        firstSeenAt: seen,
        lastSeenAt: seen,
        providers: ['wasm'],
        device: 'mobile',
        rows: 1,
      },
    ])
    now += 8 * 24 * 3600_000
    expect(await (await fixture.request('/api/v1/endpoints/e/hosts')).json()).toEqual({ items: [] })
  })
})

test('counts of a version that a deployment no longer has are still taken', async () => {
  await using fixture = await openCounting()
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 2 })
  expect((await post(fixture, report())).status).toBe(200)
  expect((await post(fixture, report({ seq: 2, profiles: [profile({ version: 2 })] }))).status).toBe(200)
})

test('counts of days that ended eight days ago are dropped, and the status page shows a day of them', async () => {
  let clock = at
  await using fixture = await openServing({ now: () => clock })
  await post(fixture, report())
  const rows = async () => ((await sums(fixture)) as { rows: number }[]).map((sum) => sum.rows)
  const page = async () => await (await fixture.request('/')).text()
  expect(await page()).toContain('3 rows from 1 host in the last 24 hours')
  clock += 24 * 3600_000
  expect(await page()).toContain('No counts were reported in the last 24 hours.')
  clock = Date.parse('2026-12-02T23:59:59.999Z')
  await fixture.restart()
  expect(await rows()).toEqual([3])
  clock += 1
  await fixture.restart()
  await expect.poll(rows).toEqual([])
  expect((await post(fixture, report())).status).toBe(422)
})

test('F-17: a clock that steps back lets no report into a day of which only sums are left', async () => {
  let clock = at
  await using fixture = await openServing({ now: () => clock })
  await post(fixture, report())
  clock = Date.parse('2026-12-03T00:00:00Z')
  await fixture.restart()
  await expect.poll(() => sums(fixture)).toEqual([])
  clock = at
  expect(await (await post(fixture, report({ seq: 2 }))).json()).toMatchObject({ type: 'TELEMETRY_REFUSED' })
  expect(await (await fixture.request('/metrics')).text()).toContain(
    'selvedge_reports_refused_total{reason="day_closed"} 1',
  )
})
