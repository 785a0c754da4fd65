/** A network that takes some milliseconds a run, has few weights and takes a small input: all that it costs is its run. */
import { encodeModel, type NodeToWrite } from '../../runtime/onnx/writer.ts'
import { makeWeights } from './numbers.ts'

export const slowShape = [1, 512]

const layers = 1024

/** ONNX bytes; 270 million multiplications a run, with one matrix of 1 MiB. */
export function makeSlow(): Uint8Array {
  const nodes = Array.from({ length: layers }, (_, i): NodeToWrite[] => [
    { operator: 'MatMul', inputs: [i === 0 ? 'x' : `h${i}`, 'w'], outputs: [`s${i}`] },
    { operator: 'Tanh', inputs: [`s${i}`], outputs: [i === layers - 1 ? 'y' : `h${i + 1}`] },
  ])
  return encodeModel({
    opsets: { '': 17 },
    graph: {
      name: 'slow',
      nodes: nodes.flat(),
      initializers: { w: makeWeights(7, [512, 512], 0.12) },
      inputs: [{ name: 'x', datatype: 'FP32', shape: slowShape }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: slowShape }],
    },
  })
}
