/** A network of the size and the shape of a face detector for 240 x 320 images, with weights from a seed. */
import { encodeModel, type NodeToWrite } from '../../runtime/onnx/writer.ts'
import type { Tensor } from '../../runtime/tensor/tensor.ts'
import { makeWeights } from './numbers.ts'

interface Block {
  filters: number
  stride: 1 | 2
}

/** Each a 3 x 3 filter over its own channel and a 1 x 1 filter over all, as in MobileNet. */
const blocks: readonly Block[] = [
  { filters: 16, stride: 1 },
  { filters: 32, stride: 2 },
  { filters: 32, stride: 1 },
  { filters: 64, stride: 2 },
  { filters: 64, stride: 1 },
  { filters: 64, stride: 1 },
  { filters: 128, stride: 2 },
  { filters: 128, stride: 1 },
  { filters: 128, stride: 1 },
]
const firstFilters = 16
const outputs = 18

/** ONNX bytes; about 50 million multiplications and as many additions a run. */
export function makeDetector(): Uint8Array {
  const initializers: Record<string, Tensor> = {}
  const nodes: NodeToWrite[] = []
  let seed = 100
  let last = 'image'

  function convolve(name: string, shape: readonly [number, number, number, number], stride: number, groups = 1): void {
    const [filters, channels, size] = shape
    seed += 1
    // Of such a size that sums neither vanish nor grow from layer to layer.
    initializers[name] = makeWeights(seed, shape, Math.sqrt(6 / (channels * size * size)))
    initializers[`${name} bias`] = makeWeights(seed + 1000, [filters], 0.1)
    nodes.push({
      operator: 'Conv',
      inputs: [last, name, `${name} bias`],
      outputs: [`${name} sums`],
      attributes: {
        group: { integer: groups },
        strides: { integers: [stride, stride] },
        pads: { integers: size === 3 ? [1, 1, 1, 1] : [0, 0, 0, 0] },
      },
    })
    nodes.push({ operator: 'Relu', inputs: [`${name} sums`], outputs: [`${name} out`] })
    last = `${name} out`
  }

  convolve('first', [firstFilters, 3, 3, 3], 2)
  let channels = firstFilters
  for (const [i, { filters, stride }] of blocks.entries()) {
    convolve(`${i} depth`, [channels, 1, 3, 3], stride, channels)
    convolve(`${i} point`, [filters, channels, 1, 1], 1)
    channels = filters
  }
  initializers.head = makeWeights(99, [outputs, channels, 3, 3], 0.05)
  nodes.push({
    operator: 'Conv',
    inputs: [last, 'head'],
    outputs: ['boxes'],
    attributes: { pads: { integers: [1, 1, 1, 1] } },
  })
  return encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'detector',
      inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 3, 240, 320] }],
      outputs: [{ name: 'boxes', datatype: 'FP32', shape: [1, outputs, 15, 20] }],
      initializers,
      nodes,
    },
  })
}
