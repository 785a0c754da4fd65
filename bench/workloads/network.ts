/** A small convolutional network for 28 x 28 images, with weights and input from a seed: work of which all variants do the same. */
import { encodeModel } from '../../runtime/onnx/writer.ts'
import { elementCount } from '../../runtime/tensor/tensor.ts'
import { makeNumbers, makeWeights } from './numbers.ts'

export const inputName = 'image'
export const outputName = 'scores'
export const inputShape = [1, 1, 28, 28]

/** ONNX bytes; about 320,000 multiplications a run. */
export function makeNetwork(): Uint8Array {
  return encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'digits',
      inputs: [{ name: inputName, datatype: 'FP32', shape: ['N', 1, 28, 28] }],
      outputs: [{ name: outputName, datatype: 'FP32', shape: ['N', 10] }],
      initializers: {
        filters1: makeWeights(1, [8, 1, 5, 5]),
        filters2: makeWeights(2, [16, 8, 5, 5]),
        dense: makeWeights(3, [256, 10]),
        bias: makeWeights(4, [10]),
      },
      nodes: [
        { operator: 'Conv', inputs: [inputName, 'filters1'], outputs: ['a'] },
        { operator: 'Relu', inputs: ['a'], outputs: ['b'] },
        { operator: 'MaxPool', inputs: ['b'], outputs: ['c'], attributes: pooling },
        { operator: 'Conv', inputs: ['c', 'filters2'], outputs: ['d'] },
        { operator: 'Relu', inputs: ['d'], outputs: ['e'] },
        { operator: 'MaxPool', inputs: ['e'], outputs: ['f'], attributes: pooling },
        { operator: 'Flatten', inputs: ['f'], outputs: ['g'] },
        { operator: 'Gemm', inputs: ['g', 'dense', 'bias'], outputs: ['h'] },
        { operator: 'Softmax', inputs: ['h'], outputs: [outputName] },
      ],
    },
  })
}

export function makeInput(): Float32Array {
  return makeNumbers(5, elementCount(inputShape), 1)
}

const pooling = { kernel_shape: { integers: [2, 2] }, strides: { integers: [2, 2] } }
