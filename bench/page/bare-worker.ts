/** Bare ONNX Runtime in a worker, as its documentation shows it, with the settings that our sessions have. */
import type * as Runtime from 'onnxruntime-web/jspi'
import { sampleRuns } from '../workloads/sampling.ts'
import type { BareAnswer, BareRequest } from './bare-protocol.ts'

type Ort = Pick<typeof Runtime, 'env' | 'InferenceSession' | 'Tensor'>

export function serveBare(ort: Ort): void {
  ort.env.wasm.numThreads = 1
  let device: GPUDevice | undefined
  let run: ((data: Float32Array<ArrayBuffer>) => Promise<Float32Array<ArrayBuffer>>) | undefined

  async function open({ model, provider }: Extract<BareRequest, { do: 'open' }>): Promise<void> {
    const bytes = await (await fetch(model.url)).arrayBuffer()
    device = provider === 'webgpu' ? await openDevice() : undefined
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders: [device === undefined ? 'wasm' : { name: 'webgpu', device }],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
    })
    run = async (data) => {
      const outputs = await session.run({ [model.input]: new ort.Tensor('float32', data, model.shape) })
      return outputs[model.output]?.data as Float32Array<ArrayBuffer>
    }
  }

  async function answer(request: BareRequest): Promise<BareAnswer> {
    if (request.do === 'open') await open(request)
    if (request.do === 'destroy device') device?.destroy()
    if (run === undefined) throw new Error('no session is open')
    if (request.do === 'run') return { data: await run(request.data) }
    if (request.do !== 'sample') return { done: true }
    const { data } = request
    const once = run
    return { samples: await sampleRuns(() => once(data)) }
  }

  self.onmessage = async ({ data: request }: MessageEvent<BareRequest>) => {
    const answered = await answer(request).catch((error: unknown) => ({ error: String(error) }))
    postMessage(answered, { transfer: 'data' in answered ? [answered.data.buffer] : [] })
  }
}

async function openDevice(): Promise<GPUDevice> {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null) throw new Error('WebGPU has no adapter')
  return await adapter.requestDevice()
}
