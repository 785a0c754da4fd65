import { StatementSync } from 'node:sqlite'
import { describe, expect, test, vi } from 'vitest'
import { chart } from '../../../registry/console/chart.ts'
import {
  bytesOf,
  digestOf,
  type Files,
  linearDescription,
  linearFiles,
  openFixture,
  pushModel,
  sendJson,
} from '../fixture.ts'
import { began, begin, openClocked, patch, report, times, until } from '../rollouts/fixture.ts'

const hostile = '<script>alert(1)</script>"\'&\r\n=cmd()'
const spec = {
  features: [
    { name: 'a', kind: 'numeric', edges: [0], points: [], counts: [4, 6, 0, 0, 0, 0] },
    { name: hostile, kind: 'categorical', values: [hostile, 'plain'], counts: [5, 5, 0, 0, 0] },
  ],
  outputs: [],
}

function hostileFiles(): Files {
  const features = [linearDescription.features[0], { ...linearDescription.features[1], name: hostile }]
  return {
    ...linearFiles(),
    'selvedge.json': bytesOf({ ...linearDescription, features }),
    'profile.json': bytesOf(spec),
  }
}

describe('the status page', () => {
  test('says what to do where nothing is there yet', async () => {
    await using fixture = await openFixture()
    const text = await (await fixture.request('/')).text()
    expect(text).toContain('selvedge push')
    expect(text).toContain('selvedge deploy')
  })

  test('shows where a rollout is and what it waits for, and the last that was taken back', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const { history } = await begin(fixture, { hold: '1h', guards: [{ metric: 'parity', margin: 0.01 }], why: hostile })
    clock.now += 3 * 60_000
    await report(fixture, '2026-11-24T10:01:00Z', history[0]?.revision ?? 0, [
      ...times(100, { deployment: 'green', answered: 1, errors: { PARITY_FAILED: 1 } }),
      ...times(300, { deployment: 'blue', answered: 1 }),
    ])
    await until(fixture, ({ state }) => state === 'reverted')
    await begin(fixture, { steps: [5, 100], hold: '1h' })
    await until(fixture, ({ now }) => now !== undefined, '2')
    const text = await (await fixture.request('/')).text()
    expect(text).toMatch(
      /<th scope="row">green<\/th><td>running<\/td><td class="number">5 %, 1 of 2<\/td>.*3600 s of its 1h/,
    )
    expect(text).toMatch(/<td>reverted<\/td><td class="number">10 %, 1 of 3<\/td>.*broken: parity.*parity worse/)
    expect(text).not.toContain('<script>')
  })

  test('reads no history of rollouts that it does not show', async () => {
    await using fixture = await openClocked()
    for (const id of ['1', '2', '3']) {
      await begin(fixture, { hold: '1h' })
      await patch(fixture, { state: 'aborted' }, id)
    }
    const all = vi.spyOn(StatementSync.prototype, 'all')
    try {
      expect((await fixture.request('/')).status).toBe(200)
      const texts = all.mock.contexts.map((each) => (each instanceof StatementSync ? each.sourceSQL : ''))
      expect(texts.some((text) => text.includes('"rollouts"'))).toBe(true)
      expect(texts.filter((text) => text.includes('rollout_entries'))).toEqual([])
    } finally {
      all.mockRestore()
    }
  })

  test('UP-22, TE-15 shows models, split, hosts and counts, and texts of others as texts', async () => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', '1', hostileFiles(), {
      'selvedge.why': hostile,
      [`selvedge.tag.${hostile}`]: hostile,
    })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 1 })
    // One deployment has nothing to be compared with.
    expect(await (await fixture.request('/')).text()).not.toContain('/experiment')
    const report = await sendJson(fixture, 'POST', '/api/v1/telemetry', {
      sender: 'a'.repeat(22),
      seq: 1,
      window: `${new Date().toISOString().slice(0, 16)}:00Z`,
      endpoint: 'e',
      revision: 1,
      exposures: [],
      outcomes: [],
      profiles: [
        {
          deployment: 'blue',
          version: 1,
          variant: 'fp32',
          provider: 'wasm',
          device: 'desktop',
          spec: digestOf(JSON.stringify(spec)),
          rows: 4,
          counts: { a: [1, 3, 0, 0, 0, 0], [hostile]: [4, 0, 0, 0, 0] },
          outputs: {},
          latency: new Array(33).fill(0),
          errors: {},
        },
      ],
    })
    expect(report.status).toBe(200)
    const answer = await fixture.request('/')
    const text = await answer.text()
    expect(text).not.toMatch(/<script/i)
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;')
    expect(text).toContain('Traffic: blue 100 %')
    expect(text).toContain('a'.repeat(22))
    expect(text).toContain('below 0: 25% now, 40% in the baseline')
    expect(text).toMatch(/^<!doctype html>\s*<html lang="en">/)
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none';/)
    expect(answer.headers.get('content-type')).toMatch(/^text\/html; charset=utf-8$/i)
  })
})

test('a caption has four digits of an edge, or as many as tell its cells apart', () => {
  const caption = (edges: number[]) =>
    String(
      chart({ name: 'a', kind: 'numeric', edges, points: [], counts: [1, 9, 0, 0, 0, 0, 0] }, [9, 1, 0, 0, 0, 0, 0]),
    )
  expect(caption([59.600002288818, 61.123456])).toContain('59.6 to 61.12: 10% now')
  expect(caption([1234.51, 1234.62])).toContain('1234.5 to 1234.6: 10% now')
})

test('bars stand in the order of their values, and those of a long vocabulary are few', () => {
  const bars = (text: string) => Array.from(text.matchAll(/<title>(.*?): /g), ([, name]) => name)
  const numeric = { name: 'a', kind: 'numeric', edges: [0, 4], points: [0, 2] } as const
  const counts = [1, 2, 3, 4, 5, 0, 0, 0, 0]
  expect(bars(String(chart({ ...numeric, edges: [0, 4], points: [0, 2], counts }, counts)))).toEqual([
    'below 0',
    '= 0',
    '0 to 4',
    '= 2',
    '4 and up',
    'null',
    'NaN',
    'infinite',
    'wrong type',
  ])
  const values = Array.from({ length: 500 }, (_, i) => `level ${i}`)
  const many = values.map((_, i) => (i === 400 ? 900 : 1))
  const levels = bars(
    String(chart({ name: 'a', kind: 'categorical', values, counts: [...many, 0, 0, 0] }, [...many, 0, 0, 0])),
  )
  expect(levels).toHaveLength(100)
  expect([levels.includes('level 400'), levels.at(-1)]).toEqual([true, '404 others'])
})

test('a page asks for no icon', async () => {
  await using fixture = await openFixture()
  expect(await (await fixture.request('/')).text()).toContain('<link rel="icon" href="data:,">')
})

test('/docs lists every route with its role', async () => {
  await using fixture = await openFixture()
  const text = await (await fixture.request('/docs')).text()
  expect(text).toContain('<code>PUT /api/v1/endpoints/:endpoint/traffic</code></td><td>operator</td>')
})
