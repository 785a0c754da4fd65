import { describe, expect, test } from 'vitest'
import { encodeInferRequest } from '../../runtime/oip/infer.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { openHost, outputOf } from './fixtures/scorers.ts'
import { counting, scaling } from './fixtures/served.ts'

describe('admission to scorer processes', { timeout: 30_000 }, () => {
  test('one caller cannot fill a queue: the rest is for others', async () => {
    await using host = await openHost()
    const { scorers, serve } = host
    await serve('scale', 3, scaling(1))
    const { body, headerLength } = encodeInferRequest({ x: createTensor('FP32', [1, 2], new Float32Array(2)) })
    const ask = (caller: string) => scorers.ask('infer', { endpoint: 'scale', headerLength, caller }, [body])
    const asked = Array.from({ length: 90 }, () => ask('a'))
    const other = ask('b')
    const codes = (await Promise.allSettled(asked)).flatMap((each) =>
      each.status === 'rejected' ? [each.reason.code] : [],
    )
    expect(codes).toEqual(new Array(14).fill('TOO_MANY_REQUESTS'))
    expect((await other).status).toBe(200)
  })

  test('SC-14: a request that cannot be answered before its deadline is refused at once', async () => {
    await using host = await openHost()
    const { scorers, serve, inferCount } = host
    await serve('count', 1, counting())
    // What a run takes is learnt from those before.
    await inferCount(300_000n)
    const long = inferCount(300_000n)
    const { body, headerLength } = encodeInferRequest({ n: createTensor('INT64', [], BigInt64Array.of(1n)) })
    await expect(scorers.ask('infer', { endpoint: 'count', headerLength, timeoutMs: 1 }, [body])).rejects.toMatchObject(
      {
        code: 'QUEUE_FULL',
        detail: { retryAfterMs: expect.any(Number) },
      },
    )
    await long
  })

  test('requests past the queue limit are refused at once with QUEUE_FULL, and the rest are answered', async () => {
    await using host = await openHost()
    const { serve, inferRow } = host
    await serve('scale', 3, scaling(1))
    const asked = await Promise.allSettled(Array.from({ length: 300 }, () => inferRow(1, 1)))
    const refused = asked.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))
    expect(refused).toEqual(new Array(199).fill('QUEUE_FULL'))
  })

  test('SC-14: a caller who leaves while waiting is not run', async () => {
    await using host = await openHost({ runMs: 5000 })
    const { scorers, serve, inferCount } = host
    await serve('count', 1, counting())
    const long = inferCount(200_000n)
    const controller = new AbortController()
    const { body, headerLength } = encodeInferRequest({ n: createTensor('INT64', [], BigInt64Array.of(2n ** 62n)) })
    const left = scorers.ask('infer', { endpoint: 'count', headerLength }, [body], controller.signal)
    controller.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    expect(outputOf(await long, 'count')).toEqual(BigInt64Array.of(200_000n))
    // Had it been run, this one would wait for ever.
    expect(outputOf(await inferCount(1n), 'count')).toEqual(BigInt64Array.of(1n))
  })
})
