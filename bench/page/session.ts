/** One session in the page itself, bare or ours. */
import { chooseBuild } from '../../browser/builds.ts'
import { openGpu, openWebSession } from '../../runtime/providers/web.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { inputName, inputShape, makeInput, makeNetwork, outputName } from '../workloads/network.ts'
import { sampleRuns } from '../workloads/sampling.ts'
import type { Measured, Task } from '../workloads/task.ts'

export async function measureSession({ kind, provider }: Extract<Task, { task: 'session' }>): Promise<Measured> {
  const run = kind === 'bare' ? await openBare(provider) : await openOurs(provider)
  const samples = await sampleRuns(run)
  return { samples, answer: Array.from(await run()) }
}

async function openOurs(provider: 'wasm' | 'webgpu'): Promise<() => Promise<Float32Array>> {
  const gpu = provider === 'webgpu' ? await openGpu() : { absent: 'not asked for' }
  const ort = await chooseBuild(provider === 'webgpu').load()
  ort.env.wasm.numThreads = 1
  const session = await openWebSession(ort, gpu)({ network: makeNetwork(), externalData: [] }, provider)
  const input = makeInput()
  return async () => {
    const outputs = await session.run({ [inputName]: createTensor('FP32', inputShape, input) })
    return outputs[outputName]?.data as Float32Array
  }
}

/** ONNX Runtime Web as its documentation shows it, in the build and with the settings that our sessions have. */
async function openBare(provider: 'wasm' | 'webgpu'): Promise<() => Promise<Float32Array>> {
  const ort = provider === 'webgpu' ? await import('onnxruntime-web/jspi') : await import('onnxruntime-web/wasm')
  ort.env.wasm.numThreads = 1
  const session = await ort.InferenceSession.create(makeNetwork(), {
    executionProviders: [provider],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  })
  const input = makeInput()
  return async () => {
    const outputs = await session.run({ [inputName]: new ort.Tensor('float32', input, inputShape) })
    return outputs[outputName]?.data as Float32Array
  }
}
