import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { latencyEdgesMs, profileReport } from '../../../runtime/contract/telemetry.ts'
import { openTally, type Source } from '../../../runtime/telemetry/tally.ts'

const blue: Source = {
  deployment: 'blue',
  version: 1,
  variant: 'fp32',
  provider: 'wasm',
  spec: {
    digest: `sha256:${'0'.repeat(64)}`,
    document: {
      features: [{ name: 'age', kind: 'numeric', edges: [10, 20], points: [], counts: [0, 0, 0, 0, 0, 0, 0] }],
      outputs: [],
    },
  },
}

const row = (age: unknown) => ({ features: { age }, outputs: {} })

describe('tally', () => {
  test('counts rows, cells, latency and errors apart by deployment, version, variant and provider', () => {
    const tally = openTally('server')
    tally.answered(blue, [row(5), row(15), row(null)], 0.1)
    tally.answered({ ...blue, version: 2 }, [row(25)], 1e9)
    tally.failed(blue, 'RUN_FAILED')
    const [counts] = tally.pending()
    expect(counts?.profiles).toMatchObject([
      { version: 1, rows: 3, counts: { age: [1, 1, 0, 1, 0, 0, 0] }, errors: { RUN_FAILED: 1 } },
      { version: 2, rows: 1, counts: { age: [0, 0, 1, 0, 0, 0, 0] }, errors: {} },
    ])
    expect(counts?.profiles[0]?.latency[0]).toBe(1)
    expect(counts?.profiles[1]?.latency[latencyEdgesMs.length]).toBe(1)
    for (const profile of counts?.profiles ?? []) profileReport.parse(profile)
  })

  test('tells what was pinned as a part of the whole, and nothing of it where nothing was', () => {
    const tally = openTally('desktop', () => 0)
    tally.answered(blue, [row(5)], 0.1)
    expect(tally.current().profiles[0]).not.toHaveProperty('pinned')
    tally.answered(blue, [row(5), row(15)], 0.1, { isPinned: true })
    tally.failed(blue, 'RUN_FAILED', { isPinned: true })
    tally.failed(blue, 'RUN_FAILED')
    const [found] = tally.current().profiles
    expect(found).toMatchObject({ rows: 3, errors: { RUN_FAILED: 2 }, pinned: { rows: 2, errors: { RUN_FAILED: 1 } } })
    expect([found?.latency[0], found?.pinned?.latency[0]]).toEqual([2, 1])
    const rowsOf = (cells: readonly number[] = []) => cells.reduce((sum, count) => sum + count, 0)
    for (const [name, cells] of Object.entries(found?.outputs ?? {})) {
      expect([rowsOf(cells), rowsOf(found?.pinned?.outputs[name])]).toEqual([3, 2])
    }
  })

  test('of a server tells which rows one unit sent on one day, in whichever window; that of a page does not', () => {
    let now = Date.parse('2026-11-24T23:58:00Z')
    const [server, page] = [openTally('server', () => now), openTally('desktop', () => now)]
    for (let minute = 0; minute < 3; minute++, now += 60_000) {
      for (const tally of [server, page]) {
        tally.answered(blue, [row(15)], 1, { unit: 'ada' })
        tally.answered(blue, [row(15)], 1)
      }
    }
    const told = server.pending().map(({ profiles }) => profiles[0]?.units)
    expect(told).toMatchObject([
      { rows: 1, clusters: 2 },
      { rows: 1, clusters: 0 },
      { rows: 1, clusters: 2 },
    ])
    expect(told[0]?.counts.age).toEqual([])
    // Of both of them: the row before and this one, in both orders.
    expect(told[1]?.counts.age?.filter((sum) => sum > 0)).toEqual([4])
    expect(told[2]?.counts.age).toEqual([])
    expect(page.pending().map(({ profiles }) => profiles[0]?.units)).toEqual([undefined, undefined, undefined])
  })

  test('of a page that scores for several units tells them apart, as a server does', () => {
    const now = Date.parse('2026-11-24T12:00:00Z')
    const [server, page] = [openTally('server', () => now), openTally('desktop', () => now)]
    for (const unit of ['ada', 'ada', 'bob']) {
      for (const tally of [server, page]) tally.answered(blue, [row(15)], 1, { unit })
    }
    const told = page.pending()[0]?.profiles[0]?.units
    expect(told).toMatchObject({ rows: 3, clusters: 2 })
    expect(told).toEqual(server.pending()[0]?.profiles[0]?.units)
  })

  test('reports a window again, whole, after every change, and not at all without one', () => {
    const tally = openTally('server')
    tally.answered(blue, [row(5)], 1)
    const [first] = tally.pending()
    if (first === undefined) throw new Error('nothing is pending')
    tally.answered(blue, [row(5)], 1)
    tally.acknowledge(first)
    const [second] = tally.pending()
    expect(second?.profiles[0]?.rows).toBe(2)
    if (second !== undefined) tally.acknowledge(second)
    expect(tally.pending()).toEqual([])
  })

  test('starts anew with each minute and keeps the minute before until it is acknowledged', () => {
    let now = Date.parse('2026-11-24T10:00:59.999Z')
    const tally = openTally('server', () => now)
    tally.answered(blue, [row(5)], 1)
    now += 1
    tally.answered(blue, [row(5), row(5)], 1)
    const pending = tally.pending()
    expect(pending.map(({ window, profiles }) => [window, profiles[0]?.rows])).toEqual([
      ['2026-11-24T10:00:00.000Z', 1],
      ['2026-11-24T10:01:00.000Z', 2],
    ])
    for (const counts of pending) tally.acknowledge(counts)
    expect(tally.pending()).toEqual([])
  })

  test('F-17: a clock that steps back opens no window again whose counts were reported', () => {
    let now = Date.parse('2026-11-24T10:04:30Z')
    const tally = openTally('server', () => now)
    const report = () => {
      const pending = tally.pending()
      for (const counts of pending) tally.acknowledge(counts)
      return pending.map(({ window, profiles }) => [window, profiles[0]?.rows])
    }
    tally.answered(blue, [row(1), row(2)], 1)
    report()
    now += 60_000
    tally.answered(blue, [row(3)], 1)
    report()
    now -= 50_000
    tally.answered(blue, [row(4)], 1)
    expect(report()).toEqual([['2026-11-24T10:05:00.000Z', 2]])
  })

  test('F-30: keeps two hours without a registry, then drops the oldest window and counts it', () => {
    let now = Date.parse('2026-11-24T10:00:00Z')
    const tally = openTally('desktop' as const, () => now)
    for (let minute = 0; minute < 125; minute++, now += 60_000) tally.answered(blue, [row(5)], 1)
    expect(tally.pending()).toHaveLength(120)
    expect(tally.dropped).toBe(5)
  })

  test('whatever is acknowledged when, the last report of each window holds every row', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (steps) => {
        const tally = openTally('server', () => 0)
        let rows = 0
        let reported = 0
        for (const acknowledges of steps) {
          tally.answered(blue, [row(1)], 1)
          rows++
          const [counts] = tally.pending()
          reported = counts?.profiles[0]?.rows ?? reported
          if (counts !== undefined && acknowledges) tally.acknowledge(counts)
        }
        expect(reported).toBe(rows)
      }),
    )
  })
})
