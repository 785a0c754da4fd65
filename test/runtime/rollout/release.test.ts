/** Whole rollouts, seeded and few; the full counts are in `test/proof/rollout-simulation.ts`. */
import { describe, expect, test } from 'vitest'
import { allGuards, release, usual, type Version } from './release.ts'

const runs = 8

function releases(change: Partial<Version>, seed: number) {
  return Array.from({ length: runs }, (_, i) =>
    release({
      green: { ...usual, ...change },
      steps: [10, 25, 100],
      guards: allGuards,
      rows: 5,
      correlation: 0.2,
      mostUnits: 200_000,
      seed: seed + i,
    }),
  )
}

describe('a release that is watched by all guards', () => {
  test.each<[string, Partial<Version>, string]>([
    ['two more requests of a hundred fail', { errorRate: 0.04 }, 'error_rate'],
    ['it takes 30 % longer', { latencyMs: 26 }, 'latency_p95'],
    ['its outputs moved by half a standard deviation', { output: 0.5 }, 'drift'],
    ['two thirds as many accept', { outcome: 0.2 }, 'outcome accepted'],
  ])('is taken back at its first step where %s', (_, change, guard) => {
    const ends = releases(change, 300)
    expect(ends.map(({ state, percent }) => [state, percent])).toEqual(ends.map(() => ['reverted', 10]))
    expect(new Set(ends.flatMap(({ broken }) => broken))).toEqual(new Set([guard]))
  })

  test('is completed where nothing changed', () => {
    expect(releases({}, 400).map(({ state }) => state)).toEqual(new Array(runs).fill('completed'))
  })
})
