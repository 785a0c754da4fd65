/**
 * One session in Node, bare or ours: `node bench/variants/node.ts <cpu|wasm|cuda> <bare|selvedge>`. From a Float32Array to the
 * numbers of the answer, each run with tensors of its own.
 */
import { openNodeSession } from '../../runtime/providers/node.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { inputName, inputShape, makeInput, makeNetwork, outputName } from '../workloads/network.ts'
import { sampleRuns } from '../workloads/sampling.ts'

const [provider, kind] = process.argv.slice(2)
if (provider !== 'cpu' && provider !== 'wasm' && provider !== 'cuda') {
  throw new Error(`got provider ${provider}, want cpu, wasm or cuda`)
}
const run = kind === 'bare' ? await openBare(provider) : await openOurs(provider)
const samples = await sampleRuns(run)
const answer = Array.from(await run())
console.log(JSON.stringify({ unit: 'ms', samples, answer }))

async function openOurs(provider: 'cpu' | 'wasm' | 'cuda'): Promise<() => Promise<Float32Array>> {
  const session = await openNodeSession({ network: makeNetwork(), externalData: [] }, provider)
  const input = makeInput()
  return async () => {
    const outputs = await session.run({ [inputName]: createTensor('FP32', inputShape, input) })
    return outputs[outputName]?.data as Float32Array
  }
}

/** ONNX Runtime as its documentation shows it, with the settings that our sessions have. */
async function openBare(provider: 'cpu' | 'wasm' | 'cuda'): Promise<() => Promise<Float32Array>> {
  const ort = provider === 'wasm' ? await import('onnxruntime-web') : await import('onnxruntime-node')
  ort.env.wasm.numThreads = 1
  const session = await ort.InferenceSession.create(makeNetwork(), {
    executionProviders: [provider],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  const input = makeInput()
  return async () => {
    const outputs = await session.run({ [inputName]: new ort.Tensor('float32', input, inputShape) })
    return outputs[outputName]?.data as Float32Array
  }
}
