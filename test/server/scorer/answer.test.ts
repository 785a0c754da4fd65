import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { openQueue, type Queue } from '../../../runtime/scoring/queue.ts'
import { openScorer, type Scorer } from '../../../runtime/scoring/scorer.ts'
import { answerInfer, answerScore } from '../../../server/scorer/answer.ts'
import { counting, planOf, scaling } from '../fixtures/served.ts'

describe('the schedule of requests (schedule policy extension)', () => {
  let queue: Queue
  let scorer: Scorer
  let release: () => void

  beforeEach(async () => {
    queue = openQueue()
    scorer = openScorer({
      openSession: openNodeSession,
      providers: ['wasm'],
      device: 'server',
      queueOf: () => queue,
    })
    const { plan, loaded } = planOf('count', 1, counting())
    await scorer.serve(plan, [loaded])
    // What runs now.
    void queue.run(
      () =>
        new Promise<void>((resolve) => {
          release = resolve
        }),
    )
  })

  afterEach(async () => {
    release()
    await scorer.close()
  })

  const ask = (parameters: Record<string, number>, timeoutMs?: number) => {
    const input = { name: 'n', datatype: 'INT64', shape: [], data: [3] }
    const body = new TextEncoder().encode(JSON.stringify({ inputs: [input], parameters }))
    return answerInfer(scorer, { endpoint: 'count', timeoutMs }, body, new AbortController().signal)
  }

  /** Waits until so many wait, and `ms` more, and lets the queue go on. */
  async function releaseAfter(ms: number, waiting: number): Promise<void> {
    await expect.poll(() => queue.length, { interval: 1 }).toBe(waiting + 1)
    const until = performance.now() + ms
    await expect.poll(() => performance.now() > until, { interval: 1 }).toBe(true)
    release()
  }

  test('a request that waited longer than its timeout in microseconds is 504 and never run', async () => {
    const late = expect(ask({ timeout: 2000 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', status: 504 })
    const inTime = ask({ timeout: 60_000_000 })
    const without = ask({ timeout: 0 })
    await releaseAfter(5, 3)
    await late
    expect([(await inTime).status, (await without).status]).toEqual([200, 200])
  })

  test.each([
    [2000, 60_000],
    [60_000_000, 2],
  ])('of a timeout of %i µs in the body and one of %i ms in the header the shorter one holds', async (body, header) => {
    const late = expect(ask({ timeout: body }, header)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    await releaseAfter(5, 1)
    await late
  })

  test('of those who wait, priority 1 goes first, then 2, then what says nothing or 0, then 9', async () => {
    const order: string[] = []
    const asked = Object.entries({ nine: 9, none: undefined, zero: 0, two: 2, one: 1 }).map(
      async ([name, priority]) => {
        await ask(priority === undefined ? {} : { priority })
        order.push(name)
      },
    )
    release()
    await Promise.all(asked)
    expect(order).toEqual(['one', 'two', 'none', 'zero', 'nine'])
  })
})

describe('records to score', () => {
  let scorer: Scorer

  beforeEach(async () => {
    const queue = openQueue()
    scorer = openScorer({ openSession: openNodeSession, providers: ['wasm'], device: 'server', queueOf: () => queue })
    const { plan, loaded } = planOf('scale', 1, scaling(2))
    await scorer.serve(plan, [loaded])
  })

  afterEach(() => scorer.close())

  const score = (body: string) =>
    answerScore(scorer, { endpoint: 'scale' }, new TextEncoder().encode(body), new AbortController().signal)

  test('are objects', async () => {
    const good = await score('{"records":[{"a":1,"b":0}]}')
    expect(JSON.parse(new TextDecoder().decode(good.body))).toMatchObject({
      predictions: [{ class: 'low', scores: { low: 2, high: 0 } }],
    })
  })

  test.each([
    ['{"records":[{"a":1,"b":0},7]}', 'records.1: want an object of features'],
    ['{"records":[null]}', 'records.0: want an object of features'],
    ['{"records":[[1,2]]}', 'records.0: want an object of features'],
    ['{"records":[]}', 'records: Too small'],
    ['{"records":{}}', 'records: Invalid input'],
    ['[]', 'the body: Invalid input'],
  ])('%s is refused: %s', async (body, message) => {
    await expect(score(body)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining(message),
    })
  })
})
