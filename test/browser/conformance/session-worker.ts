/** A worker that runs models as the page's own does: the same builds, the same device, the same sessions. */
import { expose } from 'comlink'
import { chooseBuild } from '../../../browser/builds.ts'
import { keepErrorCodes } from '../../../browser/thrown.ts'
import type { ExecutionProvider } from '../../../runtime/contract/names.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { openOrtSession } from '../../../runtime/providers/ort.ts'
import { type Adapter, type Gpu, openGpu, openWebSession } from '../../../runtime/providers/web.ts'
import type { Tensors } from '../../../runtime/tensor/tensor.ts'

/** What the browser lacks; '' for nothing. */
export type Lacking = '' | 'JSPI' | 'WebGPU'

keepErrorCodes()
const opening = open(self.name as Lacking)

const api = {
  /** One run in a session of its own. */
  async run(network: Uint8Array, provider: ExecutionProvider, inputs: Tensors): Promise<Tensors> {
    const { openSession } = await opening
    const session = await openSession({ network, externalData: [] }, provider)
    try {
      return await session.run(inputs)
    } finally {
      await session.close()
    }
  },
  /** Whether a session on `webgpu` has nodes that run on the CPU. */
  async usesCpu(network: Uint8Array): Promise<boolean> {
    const { ort, gpu } = await opening
    const { gpu: device } = await (gpu as Adapter).device()
    try {
      const session = await openOrtSession(ort, { network, externalData: [] }, 'webgpu', {
        executionProviders: [{ name: 'webgpu', device }],
        extra: { session: { disable_cpu_ep_fallback: '1' } },
      })
      await session.close()
      return false
    } catch (error) {
      if (error instanceof SelvedgeError && error.message.includes('assigned to the default CPU EP')) return true
      throw error
    }
  },
}

export type SessionApi = typeof api

expose(api)

async function open(lacking: Lacking) {
  if (lacking === 'JSPI') Reflect.deleteProperty(WebAssembly, 'Suspending')
  const gpu: Gpu = lacking === 'WebGPU' ? { absent: 'this browser has no WebGPU' } : await openGpu()
  const build = chooseBuild('device' in gpu)
  const response = await fetch(`/node_modules/onnxruntime-web/dist/${build.wasm}`)
  const ort = await build.load()
  ort.env.wasm.wasmBinary = await response.arrayBuffer()
  ort.env.wasm.numThreads = 1
  return { ort, gpu, openSession: openWebSession(ort, gpu) }
}
