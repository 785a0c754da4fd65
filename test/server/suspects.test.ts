import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SelvedgeError } from '../../runtime/errors.ts'
import { openSuspects } from '../../server/suspects.ts'

const death = () => new SelvedgeError('SCORER_DIED', 'it died')

describe('suspects', () => {
  test('each is asked alone, and only those that kill again are refused and blamed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), async (kills) => {
        const suspects = openSuspects<number>()
        let alone = 0
        let mostAtOnce = 0
        let processes = 0
        const guilty: number[] = []
        const asked = kills.map((isDeadly, i) =>
          suspects.run({
            find: async () => ++processes,
            async ask() {
              mostAtOnce = Math.max(mostAtOnce, ++alone)
              await Promise.resolve()
              alone--
              if (isDeadly) throw death()
              return i
            },
            guilty: () => guilty.push(i),
          }),
        )
        const settled = await Promise.allSettled(asked)
        expect(mostAtOnce).toBe(1)
        expect(settled.map(({ status }) => status === 'rejected')).toEqual(kills)
        expect(guilty.sort((a, b) => a - b)).toEqual(kills.flatMap((isDeadly, i) => (isDeadly ? [i] : [])))
        expect([suspects.length, suspects.reserved]).toEqual([0, undefined])
      }),
    )
  })

  test('the one that was at work is asked last', async () => {
    const suspects = openSuspects<string>()
    const order: number[] = []
    const ask = (i: number) =>
      suspects.run({ find: async () => 'p', ask: async () => order.push(i), guilty: () => undefined })
    await Promise.all([ask(1), ask(2), ask(3)])
    expect(order).toEqual([3, 2, 1])
  })

  test('a process is kept while one waits', async () => {
    const suspects = openSuspects<string>()
    const held = Promise.withResolvers<void>()
    const asked = suspects.run({ find: async () => 'p', ask: () => held.promise, guilty: () => undefined })
    await expect.poll(() => suspects.reserved).toBe('p')
    held.resolve()
    await asked
    await expect.poll(() => suspects.reserved).toBe(undefined)
  })
})
