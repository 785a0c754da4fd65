import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { limits } from '../../../runtime/limits.ts'
import { hasBatchAxis, openBatcher } from '../../../runtime/scoring/batcher.ts'
import { openQueue } from '../../../runtime/scoring/queue.ts'
import type { Session } from '../../../runtime/scoring/session.ts'
import { joinRows, sliceRows } from '../../../runtime/tensor/rows.ts'
import { createTensor, type Tensors } from '../../../runtime/tensor/tensor.ts'
import { scaleDescription } from '../../fixtures/models.ts'

const rowsOf = (...rows: number[][]): Tensors => ({
  x: createTensor('FP32', [rows.length, 2], Float32Array.from(rows.flat())),
})

/** Doubles its input; refuses a batch that holds a NaN; says how many rows each run had. */
function openDoubling(): { session: Session; runs: number[] } {
  const runs: number[] = []
  const session: Session = {
    provider: 'wasm',
    async run(inputs) {
      const { x } = inputs
      if (x?.datatype !== 'FP32') throw new Error('no input x')
      runs.push(x.shape[0] ?? 0)
      if (x.data.some(Number.isNaN)) throw new SelvedgeError('RUN_FAILED', 'not a number')
      return {
        y: createTensor(
          'FP32',
          x.shape,
          x.data.map((value) => 2 * value),
        ),
      }
    },
    close: async () => undefined,
  }
  return { session, runs }
}

describe('batcher', () => {
  test('runs at once what comes alone, and together what waited meanwhile', async () => {
    const { session, runs } = openDoubling()
    const batcher = openBatcher(session, openQueue(), scaleDescription)
    const requests = Array.from({ length: 9 }, (_, i) => rowsOf([i, -i]))
    const answers = await Promise.all(requests.map((inputs) => batcher.run(inputs, undefined, {})))
    expect(runs).toEqual([1, 8])
    for (const [i, { outputs }] of answers.entries()) expect(outputs.y?.data).toEqual(Float32Array.of(2 * i, -2 * i))
  })

  test('SC-17: whatever sizes wait, each caller gets the rows of its own input and no run has more than the limit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 30 }), async (sizes) => {
        const { session, runs } = openDoubling()
        const batcher = openBatcher(session, openQueue(), scaleDescription)
        const requests = sizes.map((size, i) => rowsOf(...Array.from({ length: size }, (_, row) => [i, row])))
        const answers = await Promise.all(requests.map((inputs) => batcher.run(inputs, undefined, {})))
        for (const [i, { outputs }] of answers.entries()) {
          const asked = requests[i]?.x?.data as Float32Array
          expect(outputs.y?.data).toEqual(asked.map((value) => 2 * value))
        }
        const largest = Math.max(limits.batchRows, ...sizes)
        for (const rows of runs) expect(rows).toBeLessThanOrEqual(largest)
        expect(runs.reduce((sum, rows) => sum + rows, 0)).toBe(sizes.reduce((sum, size) => sum + size, 0))
      }),
    )
  })

  test.each(['rows', 'bursts'])(
    'SC-14: in %s too, what waited past its deadline is not run with others',
    async (by) => {
      const { session, runs } = openDoubling()
      const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 2] }]
      const description = by === 'rows' ? scaleDescription : { ...scaleDescription, inputs }
      const queue = openQueue()
      const batcher = openBatcher({ ...session, isSynchronous: true }, queue, description)
      // Makes runs known to be short.
      for (let i = 0; i < 50; i++) await batcher.run(rowsOf([0, 0]), undefined, {})
      runs.length = 0
      const { promise, resolve } = Promise.withResolvers<void>()
      const running = queue.run(() => promise)
      const inTime = batcher.run(rowsOf([2, 2]), undefined, {})
      const late = batcher.run(rowsOf([1, 1]), undefined, { deadline: performance.now() - 1 })
      resolve()
      await running
      await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
      await inTime
      expect(runs).toEqual([1])
    },
  )

  test('one bad row fails alone', async () => {
    const { session } = openDoubling()
    const batcher = openBatcher(session, openQueue(), scaleDescription)
    const requests = [
      [1, 1],
      [2, 2],
      [Number.NaN, 3],
      [4, 4],
    ].map((row) => batcher.run(rowsOf(row), undefined, {}))
    const settled = await Promise.allSettled(requests)
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  })

  test('requests for other outputs or of other shapes share no run', async () => {
    const { session, runs } = openDoubling()
    const batcher = openBatcher(session, openQueue(), scaleDescription)
    const wide = { x: createTensor('FP32', [1, 3], Float32Array.of(1, 2, 3)) }
    await Promise.all([
      batcher.run(rowsOf([0, 0]), undefined, {}),
      batcher.run(rowsOf([1, 1]), ['y'], {}),
      batcher.run(wide, undefined, {}),
      batcher.run(rowsOf([2, 2]), undefined, {}),
    ])
    expect(runs).toEqual([1, 1, 1, 1])
  })

  test('SC-14: a request that leaves while it waits is in no batch', async () => {
    const { session, runs } = openDoubling()
    const batcher = openBatcher(session, openQueue(), scaleDescription)
    const leaving = new AbortController()
    const first = batcher.run(rowsOf([1, 1]), undefined, {})
    const left = batcher.run(rowsOf([2, 2]), undefined, { signal: leaving.signal })
    const last = batcher.run(rowsOf([3, 3]), undefined, {})
    leaving.abort(new Error('gone'))
    await expect(left).rejects.toThrow('gone')
    await Promise.all([first, last])
    expect(runs).toEqual([1, 1])
  })

  test('an answer says with how many it shared its run, or why with none', async () => {
    const { session } = openDoubling()
    const many = rowsOf(...Array.from({ length: limits.batchRows }, () => [1, 1]))
    const most = rowsOf(...Array.from({ length: limits.batchRows - 1 }, () => [1, 1]))
    const wide = { x: createTensor('FP32', [1, 3], Float32Array.of(1, 2, 3)) }
    const asked = async (...inputs: Tensors[]) => {
      const batcher = openBatcher(session, openQueue(), scaleDescription)
      const ran = await Promise.all(inputs.map((each) => batcher.run(each, undefined, {})))
      return ran.map(({ batch }) => batch)
    }
    expect(await asked(rowsOf([1, 1]))).toEqual([{ requests: 1, rows: 1, ownRows: 1, alone: 'idle' }])
    expect((await asked(rowsOf([1, 1]), rowsOf([2, 2]), rowsOf([3, 3]))).slice(1)).toEqual([
      { requests: 2, rows: 2, ownRows: 1 },
      { requests: 2, rows: 2, ownRows: 1 },
    ])
    expect(await asked(many)).toEqual([
      { requests: 1, rows: limits.batchRows, ownRows: limits.batchRows, alone: 'rows' },
    ])
    expect((await asked(rowsOf([1, 1]), most, rowsOf([2, 2], [3, 3])))[1]).toMatchObject({ requests: 1, alone: 'rows' })
    expect((await asked(rowsOf([1, 1]), wide, rowsOf([2, 2])))[1]).toMatchObject({ requests: 1, alone: 'kind' })
    const batcher = openBatcher(session, openQueue(), scaleDescription)
    const refused = await Promise.allSettled(
      [
        [1, 1],
        [2, 2],
        [Number.NaN, 3],
      ].map((row) => batcher.run(rowsOf(row), undefined, {})),
    )
    expect(refused[1]).toMatchObject({ value: { batch: { requests: 1, alone: 'refused' } } })
    const fixed = { ...scaleDescription, inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [1, 2] }] }
    const { batch } = await openBatcher(session, openQueue(), fixed).run(rowsOf([1, 1]), undefined, {})
    expect(batch).toEqual({ requests: 1, rows: 1, ownRows: 1, alone: 'axis' })
  })

  test('with a delay the first waits for others, and for no more than fill the batch', async () => {
    const { session, runs } = openDoubling()
    const batcher = openBatcher(session, openQueue(), scaleDescription, { rows: 4, delayMs: 10_000 })
    const asked = [1, 2, 3].map((i) => batcher.run(rowsOf([i, i]), undefined, {}))
    await Promise.resolve()
    expect(runs).toEqual([])
    await Promise.all([...asked, batcher.run(rowsOf([4, 4]), undefined, {})])
    expect(runs).toEqual([4])
  })

  test('a delay ends by itself', async () => {
    const { session, runs } = openDoubling()
    const batcher = openBatcher(session, openQueue(), scaleDescription, { delayMs: 5 })
    await Promise.all([1, 2].map((i) => batcher.run(rowsOf([i, i]), undefined, {})))
    expect(runs).toEqual([2])
  })

  test('short runs of a synchronous session are asked for several in one turn, and each gets its own answer', async () => {
    const fixed = { ...scaleDescription, inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [1, 2] }] }
    const { session } = openDoubling()
    let atOnce = 0
    let mostAtOnce = 0
    const counted: Session = {
      ...session,
      isSynchronous: true,
      async run(inputs, outputs) {
        mostAtOnce = Math.max(mostAtOnce, ++atOnce)
        await Promise.resolve()
        atOnce--
        return await session.run(inputs, outputs)
      },
    }
    const batcher = openBatcher(counted, openQueue(), fixed)
    for (let i = 0; i < 60; i++) await batcher.run(rowsOf([i, i]), undefined, {})
    const asked = Array.from({ length: 40 }, (_, i) => batcher.run(rowsOf([i, -i]), undefined, {}))
    const answers = await Promise.all(asked)
    for (const [i, { outputs }] of answers.entries()) expect(outputs.y?.data).toEqual(Float32Array.of(2 * i, -2 * i))
    expect(mostAtOnce).toBe(16)
  })

  test('a fixed batch, or a symbol that stands elsewhere too, is no batch axis', () => {
    const shaped = (input: (string | number)[], output: (string | number)[]) => ({
      ...scaleDescription,
      inputs: [{ name: 'x', datatype: 'FP32' as const, shape: input }],
      outputs: [{ name: 'y', datatype: 'FP32' as const, shape: output }],
    })
    expect(hasBatchAxis(shaped(['N', 2], ['N', 2]))).toBe(true)
    expect(hasBatchAxis(shaped([1, 2], [1, 2]))).toBe(false)
    expect(hasBatchAxis(shaped([-1, 2], [-1, 2]))).toBe(false)
    expect(hasBatchAxis(shaped(['N', 'N'], ['N', 2]))).toBe(false)
    expect(hasBatchAxis(shaped(['N', 2], [2, 'N']))).toBe(false)
  })
})

describe('rows', () => {
  test('what was joined is cut into what it was, text too', () => {
    const parts = [
      { t: createTensor('BYTES', [2], ['a', 'b']), n: createTensor('INT64', [2, 1], BigInt64Array.of(1n, 2n)) },
      { t: createTensor('BYTES', [1], ['c']), n: createTensor('INT64', [1, 1], BigInt64Array.of(3n)) },
    ]
    expect(sliceRows(joinRows(parts), [2, 1])).toEqual(parts)
  })

  test('an output that has not one row a row of the batch is refused', () => {
    expect(() => sliceRows({ y: createTensor('FP32', [1], Float32Array.of(1)) }, [1, 1])).toThrow(
      expect.objectContaining({ code: 'RUN_FAILED' }),
    )
  })
})
