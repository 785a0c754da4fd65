import { describe, expect, test } from 'vitest'
import { openServing } from '../fixture.ts'
import { at, post, profile, report } from './reporting.ts'

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
