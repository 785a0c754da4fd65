/** Trained layers as nodes of an ONNX graph. */
import type { NodeToWrite } from '../../runtime/onnx/writer.ts'
import { createTensor, type Tensors } from '../../runtime/tensor/tensor.ts'
import type { Layer } from './network.ts'

/** The opset of ONNX 1.12: every operator of the samples is in it. */
export const opset = 17

/** Gemm, ReLU between, softmax at the end: from `input` [N, inputs] to `output` [N, classes]. */
export function denseNodes(
  layers: readonly Layer[],
  input: string,
  output: string,
): { nodes: NodeToWrite[]; initializers: Tensors } {
  const nodes: NodeToWrite[] = []
  const initializers: Tensors = {}
  let last = input
  layers.forEach(({ inputs, outputs, weights, bias }, i) => {
    const names = { weights: `layer${i}.weights`, bias: `layer${i}.bias`, sum: `layer${i}.sum`, rest: `layer${i}` }
    initializers[names.weights] = createTensor('FP32', [inputs, outputs], weights)
    initializers[names.bias] = createTensor('FP32', [outputs], bias)
    nodes.push({ operator: 'Gemm', inputs: [last, names.weights, names.bias], outputs: [names.sum] })
    if (i < layers.length - 1) nodes.push({ operator: 'Relu', inputs: [names.sum], outputs: [names.rest] })
    else {
      nodes.push({
        operator: 'Softmax',
        inputs: [names.sum],
        outputs: [output],
        attributes: { axis: { integer: 1 } },
      })
    }
    last = names.rest
  })
  return { nodes, initializers }
}
