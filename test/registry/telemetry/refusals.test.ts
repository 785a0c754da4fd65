import { describe, expect, test } from 'vitest'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { digestOf } from '../fixture.ts'
import { empty, openCounting, pairs, post, profile, report, sums } from './reporting.ts'

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
})
