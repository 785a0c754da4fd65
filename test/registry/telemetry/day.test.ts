import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DayFacts, SenderCounts } from '../../../registry/store/days.ts'
import { dayFacts, openFeatureCounter, openPlacing, senderDays, sumOf } from '../../../registry/telemetry/day.ts'
import type { NumericProfile } from '../../../runtime/contract/profile-spec.ts'
import { openClusters } from '../../../runtime/drift/clusters.ts'
import { openScores } from '../../../runtime/drift/scores.ts'

const midnight = Date.parse('2026-11-24T00:00:00Z')
const minute = 60_000
const hour = 60 * minute

const feature: NumericProfile = {
  name: 'a',
  kind: 'numeric',
  edges: [0, 1, 2],
  points: [],
  counts: [0, 500, 500, 0, 10, 0, 0, 0],
}

const row: fc.Arbitrary<SenderCounts> = fc
  .record({
    sender: fc.constantFrom('a', 'b', 'c'),
    minute: fc.nat({ max: 24 * 60 - 1 }),
    cells: fc.array(fc.oneof(fc.nat(9), fc.nat(2 ** 30)), { minLength: 8, maxLength: 8 }),
  })
  .map(({ sender, minute: at, cells }) => countedBy(sender, at, cells))

function countedBy(sender: string, at: number, cells: number[], tier: SenderCounts['tier'] = 'trusted'): SenderCounts {
  return {
    sender,
    window: new Date(midnight + at * minute).toISOString(),
    tier,
    variant: 'fp32',
    provider: 'wasm',
    device: 'desktop',
    rows: cells.reduce((sum, count) => sum + count, 0),
    counts: { a: cells },
    outputs: {},
  }
}

/** Spans of a day's rows, which the store gives in the order of their windows. */
function spansOf(rows: readonly SenderCounts[], spanMs: number, facts: DayFacts = dayFacts(senderDays(rows))) {
  const counter = openFeatureCounter('counts', feature, facts)
  const placing = openPlacing(facts, spanMs)
  for (const each of rows.toSorted((a, b) => (a.window < b.window ? -1 : 1))) {
    const placed = placing.place(each)
    if (placed !== undefined) counter.add(placed)
  }
  return counter.spans()
}

describe('sums of a day', () => {
  test('are those of any shorter spans of it together, to the last bit', () => {
    fc.assert(
      fc.property(
        fc.array(row, { minLength: 1, maxLength: 30 }),
        fc.constantFrom(1, 5, 15, 60, 360),
        (rows, minutes) => {
          const whole = sumOf(spansOf(rows, 24 * hour))
          expect(sumOf(spansOf(rows, minutes * minute))).toEqual({ ...whole, at: expect.any(Number) })
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('are ΣX·Xᵀ of what each sender counted in the whole day', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 30 }), (rows) => {
        const scores = openScores(feature)
        const clusters = openClusters(scores.size)
        for (const { sender, counts } of rows) clusters.add(sender, scores.merge(counts.a ?? []))
        const { clusters: number, squares } = clusters.exact()
        expect(sumOf(spansOf(rows, hour))).toMatchObject({ clusters: number, squares })
      }),
      { numRuns: 1000 },
    )
  })

  test('are the same whatever order the reports of one window came in', () => {
    const shuffled = fc
      .array(row, { minLength: 1, maxLength: 30 })
      .chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length })))
    fc.assert(
      fc.property(shuffled, ([rows, others]) => {
        expect(sumOf(spansOf(others, hour))).toEqual(sumOf(spansOf(rows, hour)))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('TE-08: pages that send without end', () => {
  const honest = Array.from({ length: 990 }, (_, i) => countedBy(`page ${i}`, i, [0, 5, 5, 0, 0, 0, 0, 0], 'page'))
  const liars = Array.from({ length: 10 }, (_, i) => countedBy(`liar ${i}`, i, [0, 0, 1e9, 0, 0, 0, 0, 0], 'page'))

  test('count at most four times the median page of the day, and at least twice', () => {
    const cells = sumOf(spansOf([...honest, ...liars], hour))?.cells
    expect(cells).toEqual([0, 990 * 5, 990 * 5 + 10 * 32, 0, 0, 0, 0, 0])
  })

  test('count their first rows of the day, in proportion where a window passes what is left', () => {
    const rows = [
      countedBy('busy', 0, [0, 10, 12, 0, 0, 0, 0, 0], 'page'),
      countedBy('busy', 90, [0, 200, 0, 0, 0, 0, 0, 0], 'page'),
    ]
    const spans = spansOf([...honest, ...rows], hour).map(({ at, cells }) => [(at - midnight) / hour, cells])
    expect(spans.slice(0, 2)).toEqual([
      [0, [0, 60 * 5 + 10, 60 * 5 + 12, 0, 0, 0, 0, 0]],
      [1, [0, 60 * 5 + 10, 60 * 5, 0, 0, 0, 0, 0]],
    ])
  })

  test('are not cut where there are few of them, nor where an operator vouches for them', () => {
    const few = [...honest.slice(0, 50), ...liars.slice(0, 1)]
    expect(sumOf(spansOf(few, hour))?.cells[2]).toBe(50 * 5 + 1e9)
    const trusted = [...honest, ...liars].map((each) => ({ ...each, tier: 'trusted' as const }))
    expect(sumOf(spansOf(trusted, hour))?.cells[2]).toBe(990 * 5 + 10e9)
  })
})
