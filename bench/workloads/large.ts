/** Networks of about 200 MB of weights, as those that classify images and those that read text have them. */
import { encodeModel, type NodeToWrite } from '../../runtime/onnx/writer.ts'
import { createTensor, elementCount, type Tensor } from '../../runtime/tensor/tensor.ts'
import { makeNumbers } from './numbers.ts'

export const filtersShape = [1, 528, 2, 2]
export const matricesShape = [1, 1024]

const convolutions = 20
const blocks = 4
/** Of a block of a transformer: queries, keys, values, what comes of them, and the two that widen and narrow. */
const matrices = [
  [1024, 1024],
  [1024, 1024],
  [1024, 1024],
  [1024, 1024],
  [1024, 4096],
  [4096, 1024],
] as const

/** ONNX bytes; 20 convolutions with 3 x 3 filters, one after the other. */
export function makeFilters(): Uint8Array {
  const [, channels = 0] = filtersShape
  const shapes = Array.from({ length: convolutions }, () => [channels, channels, 3, 3])
  // Of the nine places of a filter four lie inside of an image of 2 x 2.
  return chain('Conv', filtersShape, shapes, channels * 4, { pads: { integers: [1, 1, 1, 1] } })
}

/** ONNX bytes; the products of 4 blocks of a transformer, one after the other. */
export function makeMatrices(): Uint8Array {
  const shapes = Array.from({ length: blocks }, () => matrices).flat()
  return chain('MatMul', matricesShape, shapes, 1024)
}

function chain(
  operator: string,
  shape: number[],
  shapes: readonly (readonly number[])[],
  inputs: number,
  attributes: NodeToWrite['attributes'] = {},
): Uint8Array {
  const initializers: Record<string, Tensor> = {}
  const nodes: NodeToWrite[] = []
  for (const [i, each] of shapes.entries()) {
    initializers[`w${i}`] = tiledWeights(i + 1, each, Math.sqrt(3 / inputs))
    const output = i === shapes.length - 1 ? 'y' : `h${i}`
    nodes.push({ operator, inputs: [i === 0 ? 'x' : `h${i - 1}`, `w${i}`], outputs: [output], attributes })
  }
  return encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'large',
      inputs: [{ name: 'x', datatype: 'FP32', shape }],
      outputs: [{ name: 'y', datatype: 'FP32', shape }],
      initializers,
      nodes,
    },
  })
}

// A prime number of them over and over, so that no two rows are the same: making each anew would take seconds.
function tiledWeights(seed: number, shape: readonly number[], size: number): Tensor {
  const tile = makeNumbers(seed, 4093, size)
  const data = new Float32Array(elementCount(shape))
  for (let at = 0; at < data.length; at += tile.length) data.set(tile.subarray(0, data.length - at), at)
  return createTensor('FP32', shape, data)
}
