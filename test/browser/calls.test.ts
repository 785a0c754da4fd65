import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openCalls } from '../../browser/calls.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'

describe('calls that wait for a worker', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  const never = () => new Promise<never>(() => undefined)

  test('give what the worker answered, or what it threw', async () => {
    const calls = openCalls(
      async () => undefined,
      () => undefined,
    )
    expect(await calls.wait('score', async () => 7)).toBe(7)
    await expect(calls.wait('score', () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
  })

  test('F-27: a dead worker, which is silent, refuses what waits and all that comes', async () => {
    const died: SelvedgeError[] = []
    const calls = openCalls(never, (reason) => died.push(reason))
    const waiting = calls.wait('score', never)
    const refused = expect(waiting).rejects.toMatchObject({ code: 'WORKER_UNAVAILABLE' })
    await vi.advanceTimersByTimeAsync(limits.runMs + 10_000)
    await refused
    expect(died).toHaveLength(1)
    await expect(calls.wait('score', async () => 1)).rejects.toMatchObject({ code: 'WORKER_UNAVAILABLE' })
  })

  test('a worker that answers its beats may take as long as it needs', async () => {
    const calls = openCalls(
      async () => undefined,
      () => undefined,
    )
    const answer = Promise.withResolvers<string>()
    const waiting = calls.wait('connect', () => answer.promise)
    await vi.advanceTimersByTimeAsync(10 * 60_000)
    answer.resolve('ready')
    expect(await waiting).toBe('ready')
  })

  test('a call with a deadline is refused at it', async () => {
    const calls = openCalls(
      async () => undefined,
      () => undefined,
    )
    const refused = expect(calls.wait('score', never, 60_000)).rejects.toEqual(
      new SelvedgeError('DEADLINE_EXCEEDED', 'score took more than 60 s'),
    )
    await vi.advanceTimersByTimeAsync(60_000)
    await refused
  })

  test('nothing beats while nothing waits', async () => {
    const ping = vi.fn(async () => undefined)
    const calls = openCalls(ping, () => undefined)
    await calls.wait('score', async () => 1)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(ping).not.toHaveBeenCalled()
  })
})
