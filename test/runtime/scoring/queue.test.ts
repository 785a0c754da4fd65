import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { limits } from '../../../runtime/limits.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'

describe('queue', () => {
  test('SC-17: never runs two tasks at once and answers each caller with its own result, in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 30 }), async (turns) => {
        const queue = openQueue()
        const order: number[] = []
        let inside = 0
        const results = await Promise.all(
          turns.map((count, i) =>
            queue.run(async () => {
              inside++
              expect(inside).toBe(1)
              for (let turn = 0; turn < count; turn++) await Promise.resolve()
              inside--
              order.push(i)
              return i
            }),
          ),
        )
        expect(results).toEqual(turns.map((_, i) => i))
        expect(order).toEqual(results)
      }),
    )
  })

  test('goes on after a task that fails', async () => {
    const queue = openQueue()
    const failed = queue.run(() => Promise.reject(new Error('broken')))
    const next = queue.run(async () => 'fine')
    await expect(failed).rejects.toThrow('broken')
    expect(await next).toBe('fine')
  })

  test('SC-14: a caller that leaves while it waits frees its place at once, and its task never runs', async () => {
    const queue = openQueue()
    const gate = Promise.withResolvers<void>()
    const running = queue.run(() => gate.promise)
    const leaving = new AbortController()
    let ran = false
    const waiting = queue.run(
      async () => {
        ran = true
      },
      { signal: leaving.signal },
    )
    expect(queue.length).toBe(2)
    leaving.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    expect(queue.length).toBe(1)
    gate.resolve()
    await running
    await queue.run(async () => undefined)
    expect(ran).toBe(false)
  })

  test('runs higher priority first and equal ones in the order they came', async () => {
    const queue = openQueue()
    const gate = Promise.withResolvers<void>()
    const order: string[] = []
    const first = queue.run(() => gate.promise)
    const tasks = [
      ['a', 0],
      ['b', -1],
      ['c', 5],
      ['d', 0],
      ['e', 5],
    ] as const
    const rest = tasks.map(([name, priority]) => queue.run(async () => void order.push(name), { priority }))
    gate.resolve()
    await Promise.all([first, ...rest])
    expect(order).toEqual(['c', 'e', 'a', 'd', 'b'])
  })

  test('SC-14: a request whose deadline passed while it waited is refused and never runs', async () => {
    const queue = openQueue()
    const gate = Promise.withResolvers<void>()
    const running = queue.run(() => gate.promise)
    let ran = false
    const late = queue.run(
      async () => {
        ran = true
      },
      { deadline: performance.now() - 1 },
    )
    gate.resolve()
    await running
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(ran).toBe(false)
  })

  test('refuses at once what comes when as many wait as the limit allows', async () => {
    const queue = openQueue()
    const gate = Promise.withResolvers<void>()
    const held = Array.from({ length: limits.queueLength + 1 }, () => queue.run(() => gate.promise))
    await expect(queue.run(async () => undefined)).rejects.toEqual(
      new SelvedgeError('QUEUE_FULL', `${limits.queueLength} requests wait already`),
    )
    gate.resolve()
    await Promise.all(held)
  })
})
