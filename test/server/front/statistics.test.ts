import { describe, expect, test } from 'vitest'
import { limits } from '../../../runtime/limits.ts'
import type { Answer } from '../../../runtime/scoring/scorer.ts'
import { openStatistics } from '../../../server/front/statistics.ts'

function answered(version: number, batch: Answer['batch']) {
  const by: Answer = {
    deployment: 'blue',
    version,
    variant: 'fp32',
    provider: 'cpu',
    why: '',
    queueMs: 2,
    computeMs: 3,
    batch,
  }
  return { endpoint: 'e', status: 200, ms: 10, by, codec: { decodeMs: 1, encodeMs: 0.5 } }
}

const of = (count: number, ms: number) => ({ count, ns: ms * 1e6 })

describe('statistics', () => {
  test('requests that shared a run are one execution and as many inferences as they have rows', () => {
    const statistics = openStatistics(() => 1234)
    for (const ownRows of [1, 1, 2]) statistics.observe(answered(3, { requests: 3, rows: 4, ownRows }))
    statistics.observe(answered(3, { requests: 1, rows: 1, ownRows: 1, alone: 'idle' }))
    expect(statistics.of('e', [])).toEqual([
      {
        name: 'e',
        version: '3',
        last_inference: 1234,
        inference_count: 5,
        execution_count: 2,
        inference_stats: {
          success: of(4, 40),
          fail: of(0, 0),
          queue: of(4, 8),
          compute_input: of(4, 4),
          compute_infer: of(4, 12),
          compute_output: of(4, 2),
          cache_hit: of(0, 0),
          cache_miss: of(0, 0),
        },
        batch_stats: [
          { batch_size: 4, compute_input: of(1, 3), compute_infer: of(1, 3), compute_output: of(1, 1.5) },
          { batch_size: 1, compute_input: of(1, 1), compute_infer: of(1, 3), compute_output: of(1, 0.5) },
        ],
      },
    ])
  })

  test('a caller who sends every number of rows takes no place for each', () => {
    const statistics = openStatistics()
    for (let rows = 1; rows <= 1000; rows++) {
      statistics.observe(answered(3, { requests: 1, rows, ownRows: rows, alone: 'rows' }))
    }
    statistics.observe(answered(3, { requests: 2, rows: 60, ownRows: 30 }))
    statistics.observe(answered(3, { requests: 2, rows: 60, ownRows: 30 }))
    const [found] = statistics.of('e', [])
    expect(found).toMatchObject({ inference_count: 500_560, execution_count: 1001 })
    const sizes = Array.from({ length: limits.batchRows }, (_, i) => i + 1)
    expect(found?.batch_stats.map(({ batch_size }) => batch_size)).toEqual([...sizes, 60])
  })

  test('each version has its own; a request that none answered fails the one that answered last', () => {
    const statistics = openStatistics()
    statistics.observe(answered(3, { requests: 1, rows: 1, ownRows: 1 }))
    statistics.observe(answered(4, { requests: 1, rows: 1, ownRows: 1 }))
    statistics.observe({ endpoint: 'e', status: 400, code: 'SHAPE_MISMATCH', ms: 1 })
    const fails = statistics.of('e', []).map(({ version, inference_stats: { fail } }) => [version, fail.count])
    expect(fails).toEqual([
      ['3', 0],
      ['4', 1],
    ])
    expect(statistics.of('other', [])).toEqual([])
  })

  test('a version that nothing asked yet is listed with zeros', () => {
    const statistics = openStatistics()
    statistics.observe(answered(4, { requests: 1, rows: 1, ownRows: 1, alone: 'idle' }))
    const counts = statistics.of('e', [3]).map(({ version, inference_count }) => [version, inference_count])
    expect(counts).toEqual([
      ['3', 0],
      ['4', 1],
    ])
  })
})
