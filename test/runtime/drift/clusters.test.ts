import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ClusterSums, openClusters, quadratic } from '../../../runtime/drift/clusters.ts'

const size = 4

interface Report {
  cluster: string
  counts: number[]
}

const report: fc.Arbitrary<Report> = fc.record({
  cluster: fc.constantFrom('a/1', 'a/2', 'b/1', 'c/1', 'd/2'),
  counts: fc.array(fc.oneof(fc.nat(50), fc.nat(2 ** 30)), { minLength: size, maxLength: size }),
})

function sumsOf(reports: readonly Report[]): ClusterSums {
  const clusters = openClusters(size)
  for (const { cluster, counts } of reports) clusters.add(cluster, counts)
  return clusters.sums()
}

/** By definition, in integers of any length. */
function definition(reports: readonly Report[]): ClusterSums {
  const totals = new Map<string, bigint[]>()
  for (const { cluster, counts } of reports) {
    const held = totals.get(cluster) ?? new Array<bigint>(size).fill(0n)
    totals.set(
      cluster,
      held.map((count, i) => count + BigInt(counts[i] ?? 0)),
    )
  }
  const all = [...totals.values()]
  const squares: number[] = []
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      squares.push(Number(all.reduce((sum, x) => sum + (x[i] ?? 0n) * (x[j] ?? 0n), 0n)))
    }
  }
  const counts = Array.from({ length: size }, (_, i) => Number(all.reduce((sum, x) => sum + (x[i] ?? 0n), 0n)))
  return { clusters: totals.size, counts, squares }
}

describe('cluster sums', () => {
  test('are Σ X·Xᵀ by definition, to the last bit, past 2^53 too', () => {
    fc.assert(
      fc.property(fc.array(report, { maxLength: 40 }), (reports) => {
        expect(sumsOf(reports)).toEqual(definition(reports))
      }),
      { numRuns: 1000 },
    )
  })

  test('are the same to the last bit in any order of the reports of a day', () => {
    const shuffled = fc
      .array(report, { minLength: 1, maxLength: 40 })
      .chain((reports) => fc.tuple(fc.constant(reports), fc.shuffledSubarray(reports, { minLength: reports.length })))
    fc.assert(
      fc.property(shuffled, ([reports, others]) => {
        expect(sumsOf(others)).toEqual(sumsOf(reports))
      }),
      { numRuns: 1000 },
    )
  })

  test('are the same to the last bit whether a sender reports its counts at once or piece by piece', () => {
    const split = fc.array(fc.tuple(report, fc.array(fc.nat(100), { minLength: size, maxLength: size })), {
      maxLength: 20,
    })
    fc.assert(
      fc.property(split, (pairs) => {
        const pieces = pairs.flatMap(([first, more]) => [first, { cluster: first.cluster, counts: more }])
        const whole = pairs.map(([{ cluster, counts }, more]) => ({
          cluster,
          counts: counts.map((count, i) => count + (more[i] ?? 0)),
        }))
        expect(sumsOf(pieces)).toEqual(sumsOf(whole))
      }),
      { numRuns: 1000 },
    )
  })

  test('go on in a fork to the last bit as they would by themselves, which stay as they are', () => {
    const parts = fc.tuple(fc.array(report, { maxLength: 20 }), fc.array(report, { maxLength: 20 }))
    fc.assert(
      fc.property(parts, ([before, after]) => {
        const clusters = openClusters(size)
        for (const { cluster, counts } of before) clusters.add(cluster, counts)
        const fork = clusters.fork()
        for (const { cluster, counts } of after) fork.add(cluster, counts)
        expect(fork.sums()).toEqual(definition([...before, ...after]))
        expect(clusters.sums()).toEqual(definition(before))
        const again = clusters.fork().fork()
        for (const { cluster, counts } of after) again.add(cluster, counts)
        expect(again.exact()).toEqual(fork.exact())
      }),
      { numRuns: 1000 },
    )
  })

  test('give the variance of correlated rows: two senders of ten equal rows each are two rows of weight ten', () => {
    const { squares } = sumsOf([
      { cluster: 'a', counts: [10, 0, 0, 0] },
      { cluster: 'b', counts: [0, 10, 0, 0] },
    ])
    expect(quadratic([1, -1, 0, 0], squares)).toBe(200)
  })
})
