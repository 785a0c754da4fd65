import { readFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import type { Golden } from '../../runtime/contract/golden.ts'
import type { Scorers } from '../../server/scorers.ts'
import { descendants, isAlive } from './cli/command.ts'
import { openHost, outputOf } from './fixtures/scorers.ts'
import { counting, planOf, scaling } from './fixtures/served.ts'

/** A first run without end. */
const endless: Golden = {
  samples: [
    {
      inputs: [{ name: 'n', datatype: 'INT64', shape: [], data: [2 ** 52] }],
      outputs: [{ name: 'count', datatype: 'INT64', shape: [], data: [0] }],
    },
  ],
  tolerance: 1e-6,
}

describe('plans in scorer processes', { timeout: 30_000 }, () => {
  test('a new plan answers with its version; one that does not load leaves the plan before', async () => {
    await using host = await openHost({ count: 2 })
    const { serve, inferRow } = host
    await serve('scale', 3, scaling(2))
    await serve('scale', 4, scaling(5))
    expect(outputOf(await inferRow(1, 2), 'y')).toEqual(Float32Array.of(5, 10))
    const broken = { ...scaling(7), network: Uint8Array.of(1, 2, 3) }
    await expect(serve('scale', 5, broken)).rejects.toMatchObject({ code: 'MODEL_INVALID' })
    expect(outputOf(await inferRow(1, 2), 'y')).toEqual(Float32Array.of(5, 10))
  })

  test('a plan is in force once one process serves it; one that cannot load it stops no newer plan', async () => {
    await using host = await openHost({ count: 2 })
    const { scorers, serve, inferRow, revisions } = host
    await serve('scale', 3, scaling(2))
    await vi.waitFor(() => expect(revisions()).toEqual([3, 3]), { timeout: 5000 })
    const four = planOf('scale', 4, scaling(5))
    const late = Promise.withResolvers<void>()
    let loads = 0
    await scorers.serve(four.plan, async () => {
      // The spare process and the first one have it; the second waits for its bytes.
      if (++loads > 2) await late.promise
      return [four.loaded]
    })
    expect(revisions().sort()).toEqual([3, 4])
    for (let i = 0; i < 4; i++) expect(outputOf(await inferRow(1, 2), 'y')).toEqual(Float32Array.of(5, 10))
    await serve('scale', 5, scaling(7))
    await vi.waitFor(() => expect(revisions()).toEqual([5, 5]), { timeout: 5000 })
    late.resolve()
    await scorers.flush()
    expect(revisions()).toEqual([5, 5])
  })

  test('a plan that kills what loads it costs no serving process and no request, and the plan before goes on', async () => {
    await using host = await openHost()
    const { scorers, serve, inferRow, inferCount } = host
    await serve('scale', 3, scaling(2))
    const [serving] = scorers.processes
    const { plan, loaded } = planOf('count', 1, counting())
    for (let time = 1; time <= 6; time++) {
      const adopted = scorers.serve(plan, async () => [{ ...loaded, golden: endless }])
      const refused = expect(adopted).rejects.toMatchObject({ code: 'SCORER_DIED' })
      await vi.waitFor(() => expect(sparesOf(scorers)).toHaveLength(1), { timeout: 5000 })
      expect(outputOf(await inferRow(1, 2), 'y')).toEqual(Float32Array.of(2, 4))
      for (const pid of sparesOf(scorers)) process.kill(pid, 'SIGKILL')
      await refused
    }
    expect(scorers.processes).toEqual([serving])
    expect(scorers.restarts).toBe(0)
    await serve('count', 2, counting())
    expect(outputOf(await inferCount(3n), 'count')).toEqual(BigInt64Array.of(3n))
    await vi.waitFor(() => expect(sparesOf(scorers)).toEqual([]))
  })

  test('a plan that killed a process at its restart is tried out before the next one loads it', async () => {
    await using host = await openHost()
    const { scorers, untilReady } = host
    const { plan, loaded } = planOf('count', 1, counting())
    const loadedBy: string[] = []
    await scorers.serve(plan, async () => {
      loadedBy.push(sparesOf(scorers).length > 0 ? 'spare' : 'scorer')
      return [loadedBy.length === 2 ? { ...loaded, golden: endless } : loaded]
    })
    for (const loads of [1, 2]) {
      await vi.waitFor(() => expect(loadedBy).toHaveLength(loads), { timeout: 5000 })
      await vi.waitFor(() => expect(scorers.processes[0]?.busy).toBe(loads - 1), { timeout: 5000 })
      process.kill(scorers.processes[0]?.pid ?? 0, 'SIGKILL')
      await vi.waitFor(() => expect(scorers.restarts).toBe(loads))
    }
    await untilReady('count')
    expect([loadedBy.length, ...loadedBy.slice(0, 3)]).toEqual([4, 'scorer', 'scorer', 'spare'])
  })
})

/** Scorer processes that are none of those that serve. */
function sparesOf({ processes }: Scorers): number[] {
  const serving = new Set(processes.map(({ pid }) => pid))
  return descendants(process.pid).filter((pid) => isScorer(pid) && isAlive(pid) && !serving.has(pid))
}

function isScorer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/server/scorer.ts')
  } catch {
    return false
  }
}
