/**
 * Tensors between page and worker. Large ones are transferred, which takes a tenth of cloning them; the buffers of
 * inputs come back with an answer, since the pages of a new one take longer to get from the system than to fill.
 */
import { transfer } from 'comlink'
import type { Tensor, Tensors } from '../runtime/tensor/tensor.ts'

export interface Buffers {
  /**
   * What may be sent: large data in copies that are transferred, small data as it is, to be cloned. The caller's own
   * stay, for a replay should the worker die.
   */
  copy(inputs: Tensors): Tensors
  /** Takes back buffers that {@link copy} gave. */
  keep(buffers: readonly ArrayBuffer[]): void
}

const leastBytes = 16 * 1024
const keptBytes = 16 * 1024 * 1024

export function openBuffers(): Buffers {
  let kept: ArrayBuffer[] = []

  function take(byteLength: number): ArrayBuffer {
    const found = kept.find((buffer) => buffer.byteLength === byteLength)
    if (found === undefined) return new ArrayBuffer(byteLength)
    kept = kept.filter((buffer) => buffer !== found)
    return found
  }

  function copyData(data: Tensor['data']): Tensor['data'] {
    if (!ArrayBuffer.isView(data)) return data
    if (isLarge(data)) {
      const copy = new (data.constructor as new (buffer: ArrayBuffer) => Float32Array)(take(data.byteLength))
      copy.set(data as Float32Array)
      return copy
    }
    // A clone of a view carries its whole buffer, and shares one that is shared.
    return ownsBuffer(data) ? data : data.slice()
  }

  return {
    copy(inputs) {
      const copies: Tensors = {}
      for (const [name, tensor] of Object.entries(inputs)) {
        copies[name] = { ...tensor, data: copyData(tensor.data) } as Tensor
      }
      return transfer(copies, largeBuffers(copies))
    },
    keep(buffers) {
      kept.push(...buffers)
      let bytes = kept.reduce((sum, { byteLength }) => sum + byteLength, 0)
      while (bytes > keptBytes) bytes -= kept.shift()?.byteLength ?? 0
    },
  }
}

/** In the worker: an answer whose large outputs are transferred, with the buffers of inputs that nothing reads any more. */
export function giveAnswer<Answer extends { outputs: Tensors; spent: ArrayBuffer[] }>(answer: Answer): Answer {
  return transfer(answer, [...largeBuffers(answer.outputs), ...answer.spent])
}

/** Those of large tensors that have a buffer of their own. */
export function largeBuffers(tensors: Tensors): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  for (const { data } of Object.values(tensors)) {
    if (ArrayBuffer.isView(data) && isLarge(data) && ownsBuffer(data)) buffers.add(data.buffer)
  }
  return [...buffers]
}

function isLarge({ byteLength }: ArrayBufferView): boolean {
  return byteLength >= leastBytes
}

function ownsBuffer<Data extends ArrayBufferView>(data: Data): data is Data & { buffer: ArrayBuffer } {
  return data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength
}
