import { expose, wrap } from 'comlink'
import { describe, expect, test } from 'vitest'
import { giveAnswer, largeBuffers, openBuffers } from '../../browser/transfer.ts'
import { createTensor, type Tensor, type Tensors } from '../../runtime/tensor/tensor.ts'

const large = (fill: number) => createTensor('FP32', [100, 100], new Float32Array(10_000).fill(fill))

const dataOf = ({ x }: Tensors) => x?.data as Float32Array

/** As a worker does it: gives twice the input, and the input's buffer back. */
function openDoubling() {
  const { port1, port2 } = new MessageChannel()
  const api = {
    infer: (inputs: Tensors) => {
      const outputs = { y: { ...inputs.x, data: dataOf(inputs).map((x) => 2 * x) } as Tensor }
      return giveAnswer({ outputs, spent: largeBuffers(inputs) })
    },
  }
  expose(api, port1)
  return wrap<typeof api>(port2)
}

describe('tensors between page and worker', () => {
  test('are answered whole, small and large, while the caller keeps its own for a replay', async () => {
    const remote = openDoubling()
    const buffers = openBuffers()
    for (const x of [
      large(3),
      createTensor('FP32', [2], Float32Array.of(1, 2)),
      createTensor('INT64', [0], new BigInt64Array()),
    ]) {
      const own = structuredClone(x)
      const { outputs } = await remote.infer(buffers.copy({ x }))
      expect(x).toEqual(own)
      expect(outputs.y?.data).toEqual((own.data as Float32Array).map((value) => 2 * value))
    }
  })

  test('take the buffer that an answer brought back, for data of its size alone', async () => {
    const remote = openDoubling()
    const buffers = openBuffers()
    const { spent } = await remote.infer(buffers.copy({ x: large(3) }))
    buffers.keep(spent)
    const other = buffers.copy({ x: createTensor('FP32', [5000], new Float32Array(5000)) })
    const again = buffers.copy({ x: large(4) })
    const third = buffers.copy({ x: large(5) })
    expect(spent.map((buffer) => buffer.byteLength)).toEqual([40_000])
    expect([other, again, third].map((sent) => dataOf(sent).buffer === spent[0])).toEqual([false, true, false])
    expect([again, third]).toEqual([{ x: large(4) }, { x: large(5) }])
  })

  test('keep no more than 16 MiB of buffers, the latest', () => {
    const buffers = openBuffers()
    const back = [9, 8, 7].map((mebibytes) => new ArrayBuffer(mebibytes * 2 ** 20))
    buffers.keep(back)
    const taken = back.map(({ byteLength }) => {
      return dataOf(buffers.copy({ x: createTensor('UINT8', [byteLength], new Uint8Array(byteLength)) })).buffer
    })
    expect(taken.map((buffer, i) => buffer === back[i])).toEqual([false, true, true])
  })

  test('carry nothing of the buffer that a view is a part of', () => {
    const whole = new Float32Array(1000).fill(7)
    const data = dataOf(openBuffers().copy({ x: createTensor('FP32', [2], whole.subarray(10, 12)) }))
    expect([data, data.buffer.byteLength]).toEqual([Float32Array.of(7, 7), 8])
  })

  test('give no buffer away that other outputs lie in, too', () => {
    const whole = new Float32Array(20_000)
    const part = (from: number) => createTensor('FP32', [10_000], whole.subarray(from, from + 10_000))
    expect(largeBuffers({ a: part(0), b: part(10_000), c: large(1) })).toHaveLength(1)
  })
})
