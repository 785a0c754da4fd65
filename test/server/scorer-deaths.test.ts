import { describe, expect, test, vi } from 'vitest'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { openHost, outputOf } from './fixtures/scorers.ts'
import { counting, expanding, scaling } from './fixtures/served.ts'

describe('scorer processes that die', { timeout: 30_000 }, () => {
  test('an outcome that comes while no process is there is reported by the next one', async () => {
    await using host = await openHost()
    const { scorers, reports, serve, untilReady } = host
    await serve('scale', 3, scaling(2))
    process.kill(scorers.processes[0]?.pid ?? 0, 'SIGKILL')
    await vi.waitFor(() => expect(scorers.isReady('scale')).toBe(false))
    scorers.outcome({ endpoint: 'scale', unit: 'u', values: { paid: true } })
    expect(await scorers.flush()).toBe(false)
    await untilReady('scale')
    expect(await scorers.flush()).toBe(true)
    expect(reports.flatMap(({ outcomes }) => outcomes.map(({ values }) => values))).toEqual([{ paid: true }])
  })

  test('RT-19: after kill -9 every request in flight is answered by the process that stood by, and one more is started', async () => {
    await using host = await openHost({ standby: true })
    const { scorers, serve, inferRow, revisions } = host
    await serve('scale', 3, scaling(2))
    await vi.waitFor(() => expect(revisions()).toEqual([3, 3]), { timeout: 5000 })
    const [victim, standby] = scorers.processes
    const rows = Array.from({ length: 50 }, (_, i) => i)
    const inFlight = rows.map((i) => inferRow(i, -i))
    process.kill(victim?.pid ?? 0, 'SIGKILL')
    const answers = await Promise.all(inFlight)
    expect(answers.map((answer) => outputOf(answer, 'y'))).toEqual(rows.map((i) => Float32Array.of(2 * i, -2 * i)))
    await vi.waitFor(() => expect(revisions()).toEqual([3, 3]), { timeout: 2000 })
    expect(scorers.processes[0]).toBe(standby)
    expect(scorers.restarts).toBe(1)
  })

  test('RT-19: without a process that stands by, requests wait for the next one', async () => {
    await using host = await openHost()
    const { scorers, serve, inferRow } = host
    await serve('scale', 3, scaling(2))
    const inFlight = [inferRow(1, 2), inferRow(3, 4)]
    process.kill(scorers.processes[0]?.pid ?? 0, 'SIGKILL')
    const late = inferRow(5, 6)
    const answers = await Promise.all([...inFlight, late])
    expect(answers.map((answer) => outputOf(answer, 'y'))).toEqual([
      Float32Array.of(2, 4),
      Float32Array.of(6, 8),
      Float32Array.of(10, 12),
    ])
  })

  test('a request that kills its process kills one more and is refused; those beside it are answered', async () => {
    await using host = await openHost({ standby: true })
    const { scorers, serve, inferCount, untilReady } = host
    await serve('count', 1, counting())
    await vi.waitFor(() => expect(scorers.processes.every((each) => each.plan('count'))).toBe(true), { timeout: 5000 })
    const [first, second] = scorers.processes
    const deadly = inferCount(2n ** 62n).catch((error: { code: string }) => error.code)
    const beside = [inferCount(1n), inferCount(2n)]
    await vi.waitFor(() => expect(first?.busy).toBe(3))
    process.kill(first?.pid ?? 0, 'SIGKILL')
    const answers = await Promise.all(beside)
    expect(answers.map((answer) => outputOf(answer, 'count'))).toEqual([BigInt64Array.of(1n), BigInt64Array.of(2n)])
    await vi.waitFor(() => expect(second?.busy).toBe(1))
    process.kill(second?.pid ?? 0, 'SIGKILL')
    expect(await deadly).toBe('SCORER_DIED')
    await untilReady('count')
    expect(scorers.restarts).toBe(2)
  })

  test('SC-11: a run without end is answered DEADLINE_EXCEEDED within half a second of its deadline, and a fresh process serves', async () => {
    await using host = await openHost({ runMs: 1000 })
    const { scorers, serve, inferCount, untilReady } = host
    await serve('count', 1, counting())
    const [victim] = scorers.processes
    const asked = performance.now()
    await expect(inferCount(2n ** 63n - 1n)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(performance.now() - asked).toBeLessThan(1500)
    await untilReady('count')
    expect(outputOf(await inferCount(3n), 'count')).toEqual(BigInt64Array.of(3n))
    expect(scorers.processes[0]?.pid).not.toBe(victim?.pid)
  })

  test('SC-10: an output of gigabytes is refused or kills its process, never the host', async () => {
    await using host = await openHost()
    const { serve, infer, untilReady } = host
    await serve('expand', 1, expanding())
    const answer = await infer('expand', { shape: createTensor('INT64', [1], BigInt64Array.of(600_000_000n)) }).catch(
      (error: { code: string }) => error.code,
    )
    expect(typeof answer === 'string' ? answer : answer.status).toSatisfy(
      (what) => what === 'SCORER_DIED' || what === 422,
    )
    await untilReady('expand')
    const small = await infer('expand', { shape: createTensor('INT64', [1], BigInt64Array.of(3n)) })
    expect(outputOf(small, 'y')).toEqual(new Float32Array(3))
  })

  test('RT-19: five deaths within a minute disable the endpoint that caused them; others go on', async () => {
    await using host = await openHost({ runMs: 200 })
    const { scorers, serve, inferRow, inferCount, untilReady } = host
    await serve('scale', 3, scaling(2))
    await serve('count', 1, counting())
    for (let death = 1; death <= 5; death++) {
      await untilReady('count')
      await expect(inferCount(2n ** 62n)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
      await vi.waitFor(() => expect(scorers.restarts).toBe(death))
    }
    await untilReady('scale')
    expect(outputOf(await inferRow(1, 1), 'y')).toEqual(Float32Array.of(2, 2))
    expect(scorers.isReady('count')).toBe(false)
    await expect(inferCount(1n)).rejects.toMatchObject({
      code: 'NOT_READY',
      message: 'endpoint count is disabled: its requests killed 5 scorers within 60 s',
      detail: { retryAfterMs: expect.any(Number) },
    })
  })
})
