/** ONNX Runtime in a page's worker: `webgpu` on a device of our own, `wasm` beside it. */
import type { ExecutionProvider } from '../contract/names.ts'
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import { externalize } from '../onnx/externalize.ts'
import { openQueue, type Queue } from '../queue.ts'
import type { ModelBytes, OpenSession, Session } from '../session.ts'
import { type Ort, openOrtSession } from './ort.ts'

/** WebGPU of this host, or the reason why there is none. */
export type Gpu = Adapter | { absent: string }

export interface Adapter {
  /** Vendor and architecture. */
  readonly name: string
  readonly hasShaderF16: boolean
  /** The device in use, a new one where that was lost. */
  device(): Promise<Device>
  /** Destroys the device in use, as a driver's reset does. */
  destroyDevice(): Promise<void>
}

interface Device {
  gpu: GPUDevice
  isLost: boolean
  lost: Promise<void>
}

/**
 * Devices are made by us, never by ONNX Runtime: after a loss only then a new session in the same worker works (design,
 * section 12).
 */
export async function openGpu(): Promise<Gpu> {
  if (navigator.gpu === undefined) return { absent: 'this browser has no WebGPU' }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null) return { absent: 'WebGPU has no adapter here' }
  const { vendor, architecture } = adapter.info
  let opened: Promise<Device> | undefined
  let current: Device | undefined

  async function device(): Promise<Device> {
    if (current?.isLost) opened = undefined
    opened ??= openDevice()
    current = await opened
    return current
  }

  try {
    await device()
  } catch (cause) {
    return { absent: `the WebGPU adapter refused a device: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
  return {
    name: [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter',
    hasShaderF16: adapter.features.has('shader-f16'),
    device,
    destroyDevice: async () => (await device()).gpu.destroy(),
  }
}

/**
 * Weights are handed over outside of the network, which takes 1 to 2 times the weights off the peak of memory and changes
 * no run. ONNX Runtime goes on packing them for its kernels (`session.disable_prepacking` is left alone): without, runs
 * on WASM took 1.5 to 1.8 times as long for MatMul of one or few rows, 1.3 to 2.5 for Gemm, 1.8 to 2 for LSTM and GRU;
 * for Conv and integer kernels they took as long, and so did the memory.
 */
export function openWebSession(ort: Ort, gpu: Gpu): OpenSession {
  // ONNX Runtime has one table of external data, which the end of any creation clears, and one stack, on which what
  // waits for WebGPU must not be overtaken: creations take turns with one another and with runs on WebGPU.
  const turns = openQueue()
  return async (given, provider) => {
    const bytes = externalize(given)
    if (provider === 'wasm') {
      return await turns.runAlways(() => openOrtSession(ort, bytes, provider, { executionProviders: ['wasm'] }))
    }
    if (provider !== 'webgpu') throw new SelvedgeError('PROVIDER_UNAVAILABLE', `a page has no provider ${provider}`)
    if ('absent' in gpu) throw new SelvedgeError('PROVIDER_UNAVAILABLE', gpu.absent)
    return takingTurns(await turns.runAlways(() => openGpuSession(ort, bytes, provider, gpu)), turns)
  }
}

// A function of its own: a run that could see the bytes of the model would keep them as long as the session lives.
function takingTurns(session: Session, turns: Queue): Session {
  return { ...session, run: (inputs, outputs) => turns.runAlways(() => session.run(inputs, outputs)) }
}

async function openGpuSession(
  ort: Ort,
  bytes: ModelBytes,
  provider: ExecutionProvider,
  gpu: Adapter,
): Promise<Session> {
  const device = await gpu.device()
  const lost = () => new SelvedgeError('DEVICE_LOST', `the WebGPU device (${gpu.name}) was lost`)
  const gone = () => device.lost.then(() => Promise.reject(lost()))
  const options = { executionProviders: [{ name: 'webgpu' as const, device: device.gpu }] }
  // What never ends once its device is gone would keep all others from their turn.
  const session = await Promise.race([openOrtSession(ort, bytes, provider, options), gone()])

  return {
    provider,
    device: gpu.name,
    lost: device.lost,
    async run(inputs, outputs) {
      if (device.isLost) throw lost()
      let timer: ReturnType<typeof setTimeout> | undefined
      // A run that hangs gives no event; what hangs is ended with its device.
      const hung = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          device.gpu.destroy()
          reject(lost())
        }, limits.runMs)
      })
      try {
        const results = await Promise.race([session.run(inputs, outputs), hung, gone()])
        if (device.isLost) throw lost()
        return results
      } catch (error) {
        // The run may reject before the loss is told.
        if (await isLostSoon(device)) throw lost()
        throw error
      } finally {
        clearTimeout(timer)
      }
    },
    close: () => session.close(),
  }
}

const lossIsToldWithinMs = 100

async function isLostSoon(device: Device): Promise<boolean> {
  await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, lossIsToldWithinMs))])
  return device.isLost
}

async function openDevice(): Promise<Device> {
  // An adapter gives one device only.
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null) throw new SelvedgeError('PROVIDER_UNAVAILABLE', 'WebGPU has no adapter any more')
  const wanted: GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query']
  const gpu = await adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: {
      maxBufferSize: adapter.limits.maxBufferSize,
      maxStorageBufferBindingSize: adapter.limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: adapter.limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: adapter.limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: adapter.limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: adapter.limits.maxComputeWorkgroupSizeX,
      maxComputeWorkgroupSizeY: adapter.limits.maxComputeWorkgroupSizeY,
      maxComputeWorkgroupSizeZ: adapter.limits.maxComputeWorkgroupSizeZ,
    },
  })
  const device: Device = { gpu, isLost: false, lost: Promise.resolve() }
  device.lost = gpu.lost.then(() => {
    device.isLost = true
  })
  return device
}
