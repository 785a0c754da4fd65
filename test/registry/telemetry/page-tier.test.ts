import { describe, expect, test } from 'vitest'
import type { ProfileSum } from '../../../runtime/contract/control.ts'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { sendJson } from '../fixture.ts'
import { empty, openCounting, pairs, profile, report } from './reporting.ts'

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
