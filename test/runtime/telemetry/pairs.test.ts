import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import type { PairCounts } from '../../../runtime/contract/telemetry.ts'
import { openClusters } from '../../../runtime/drift/clusters.ts'
import { openScores, ownSquares } from '../../../runtime/drift/scores.ts'
import { openUnitDay } from '../../../runtime/telemetry/pairs.ts'
import { openProfile } from '../../../runtime/telemetry/profile.ts'

const spec: ProfileSpec = {
  features: [
    { name: 'a', kind: 'numeric', edges: [0, 1, 2], points: [1.5], counts: [0, 50, 50, 0, 20, 1, 0, 0, 0] },
    { name: 'b', kind: 'categorical', values: ['x', 'y'], counts: [50, 50, 0, 20, 0] },
  ],
  outputs: [{ name: 'score', kind: 'numeric', edges: [0, 0.5, 1], points: [], counts: [0, 60, 60, 0, 0, 0, 0, 0] }],
}

interface Row {
  unit: string | undefined
  a: number | null
  b: string | null
  score: number
}

const row: fc.Arbitrary<Row> = fc.record({
  unit: fc.constantFrom('ada', 'bob', 'cy', undefined),
  a: fc.constantFrom(-1, 0.5, 1.5, 1.7, 9, null),
  b: fc.constantFrom('x', 'y', 'other', null),
  score: fc.constantFrom(0.2, 0.7, 3),
})

const blocks = [
  { side: 'counts', feature: spec.features[0] },
  { side: 'counts', feature: spec.features[1] },
  { side: 'outputs', feature: spec.outputs[0] },
] as const

/** What a host counts of its rows, window by window. */
function host(windows: readonly (readonly Row[])[]) {
  const day = openUnitDay(spec)
  if (day === undefined) throw new Error('the spec is too large')
  return windows.map((rows) => {
    const profile = openProfile(spec)
    const pairs = day.open()
    for (const { unit, score, ...features } of rows) {
      day.add(pairs, unit, profile.countRow(features), profile.countOutput({ score }))
    }
    return { cells: profile.counts(), pairs: day.read(pairs) }
  })
}

/** ΣX·Xᵀ of each feature, as the registry has it from the reports of a host. */
function told(reports: ReturnType<typeof host>) {
  return blocks.map(({ side, feature }) => {
    if (feature === undefined) throw new Error('the spec has no such feature')
    const scores = openScores(feature)
    const clusters = openClusters(scores.size)
    for (const { cells, pairs } of reports) {
      const own = cells[side][feature.name] ?? []
      const counts = scores.merge(own)
      const squares = ownSquares(scores, own, counts)
      const paired = {
        clusters: pairs.clusters,
        counts,
        own: squares,
        pairs: pairs[side][feature.name] ?? [],
        hosts: 1,
      }
      clusters.addPaired(paired)
    }
    return clusters.sums()
  })
}

/** The same from rows as if every unit were a sender of its own. */
function asSenders(rows: readonly Row[]) {
  return blocks.map(({ side, feature }) => {
    if (feature === undefined) throw new Error('the spec has no such feature')
    const scores = openScores(feature)
    const clusters = openClusters(scores.size)
    for (const { unit, score, ...features } of rows) {
      const profile = openProfile(spec)
      profile.countRow(features)
      profile.countOutput({ score })
      clusters.add(unit ?? '', scores.merge(profile.counts()[side][feature.name] ?? []))
    }
    return clusters.sums()
  })
}

describe('pairs of rows of one unit', () => {
  test('are with the counts the same to the last bit as if every unit reported by itself, in any windows', () => {
    const windows = fc.array(fc.array(row, { maxLength: 12 }), { maxLength: 5 })
    fc.assert(
      fc.property(windows, (rows) => {
        expect(told(host(rows))).toEqual(asSenders(rows.flat()))
      }),
      { numRuns: 1000 },
    )
  })

  test('are empty where every row has a unit of its own', () => {
    const rows = ['ada', 'bob', 'cy'].map((unit) => ({ unit, a: 0.5, b: 'x', score: 0.2 }))
    const [report] = host([rows])
    const empty: PairCounts = { rows: 3, clusters: 3, counts: { a: [], b: [] }, outputs: { score: [] } }
    expect(report?.pairs).toEqual(empty)
  })

  test('of a hundred thousand units take the memory of 4,096', () => {
    const rows = Array.from({ length: 100_000 }, (_, i) => ({ unit: `unit ${i}`, a: 0.5, b: 'x', score: 0.2 }))
    expect(host([rows])[0]?.pairs.clusters).toBe(4096)
  })

  test('are not counted for a spec whose pairs no report could hold', () => {
    const features = Array.from({ length: 200 }, (_, i) => ({
      name: `f${i}`,
      kind: 'numeric' as const,
      edges: Array.from({ length: 20 }, (_, edge) => edge),
      points: [],
      counts: Array.from({ length: 25 }, () => 100),
    }))
    expect(openUnitDay({ features, outputs: [] })).toBeUndefined()
  })

  test('are told by hosts that share the units of all their rows: what one sees counts for all of them', () => {
    const scores = openScores({ name: 'b', kind: 'categorical', values: ['x', 'y'], counts: [50, 50, 0, 0, 0] })
    const clusters = openClusters(scores.size)
    const [x, y] = [
      [1, 0],
      [0, 1],
    ].map(([a = 0, b = 0]) => scores.merge([a, b, 0, 0, 0]))
    // Two hosts, two rows each: of the pairs of a unit's four rows they see 2 of 6.
    for (const counts of [x, y]) {
      const two = (counts ?? []).map((count) => 2 * count)
      const own = ownSquares(scores, [...two.slice(0, 2), 0, 0, 0], two)
      clusters.addPaired({ clusters: 1, counts: two, own, pairs: own, hosts: 2 })
    }
    // Each with itself 2, and pairs in both orders 2 · 2 hosts.
    expect(clusters.sums().squares.filter((square) => square > 0)).toEqual([6, 6])
  })
})
