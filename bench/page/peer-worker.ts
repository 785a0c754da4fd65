/** Worker with `@huggingface/transformers`, the nearest peer, asked as the one with bare ONNX Runtime is. */
import { AutoModel, env, Tensor } from '@huggingface/transformers'
import type { BareAnswer, BareRequest } from './bare-protocol.ts'

type Run = (data: Float32Array<ArrayBuffer>) => Promise<Float32Array<ArrayBuffer>>

let run: Run | undefined

async function open({ model, provider }: Extract<BareRequest, { do: 'open' }>): Promise<Run> {
  const [, folder, name] = /^(.*)models\/(\w+)\.onnx$/.exec(model.url) ?? []
  if (folder === undefined || name === undefined) throw new Error(`${model.url} is no model of this site`)
  env.allowRemoteModels = false
  env.allowLocalModels = true
  env.localModelPath = `${folder}peer/`
  const { wasm } = env.backends.onnx
  if (wasm === undefined) throw new Error('transformers.js has no settings for WASM')
  wasm.numThreads = 1
  // Its own default is a content network; without paths the build finds the file that the bundler put beside it.
  delete wasm.wasmPaths
  const loaded = await AutoModel.from_pretrained(name, { device: provider, dtype: 'fp32' })
  return async (data) => {
    const outputs = await loaded({ [model.input]: new Tensor('float32', data, [...model.shape]) })
    return outputs[model.output].data
  }
}

async function answer(request: BareRequest): Promise<BareAnswer> {
  if (request.do === 'open') run = await open(request)
  if (request.do === 'run' && run !== undefined) return { data: await run(request.data) }
  if (request.do === 'open') return { done: true }
  throw new Error(`transformers.js was asked to ${request.do}`)
}

self.onmessage = async ({ data: request }: MessageEvent<BareRequest>) => {
  const answered = await answer(request).catch((error: unknown) => ({ error: String(error) }))
  postMessage(answered, { transfer: 'data' in answered ? [answered.data.buffer] : [] })
}
