/** ONNX Runtime in a page's worker: `webgpu` on a device of our own, `wasm` beside it. */
import type { ExecutionProvider } from '../contract/names.ts'
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import { externalize } from '../onnx/externalize.ts'
import { openQueue, type Queue } from '../scoring/queue.ts'
import type { ModelBytes, OpenSession, Session } from '../scoring/session.ts'
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
  readonly gpu: GPUDevice
  readonly isLost: boolean
  readonly lost: Promise<void>
  /**
   * What never ends once its device is gone ends here.
   *
   * @throws {@link SelvedgeError} `DEVICE_LOST` as soon as it is, and what the task throws
   */
  unlessLost<Result>(task: () => Promise<Result>): Promise<Result>
  /** For a device that hangs. */
  destroy(): void
}

/**
 * Devices are made by us, never by ONNX Runtime: after a loss only then a new session in the same worker works (design,
 * section 12).
 */
export async function openGpu(): Promise<Gpu> {
  if (navigator.gpu === undefined) return { absent: 'this browser has no WebGPU' }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null) return { absent: 'WebGPU has no adapter here' }
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
    name: nameOf(adapter),
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

// Functions of their own: a run that could see the bytes of the model would keep them as long as the session lives.
function takingTurns(session: Session, turns: Queue): Session {
  return { ...session, run: (inputs, outputs) => turns.runAlways(() => session.run(inputs, outputs)) }
}

function openOn(device: Device, ort: Ort, bytes: ModelBytes, provider: ExecutionProvider): Promise<Session> {
  const options = { executionProviders: [{ name: 'webgpu' as const, device: device.gpu }] }
  return device.unlessLost(() => openOrtSession(ort, bytes, provider, options))
}

async function openGpuSession(
  ort: Ort,
  bytes: ModelBytes,
  provider: ExecutionProvider,
  gpu: Adapter,
): Promise<Session> {
  const device = await gpu.device()
  const session = await openOn(device, ort, bytes, provider)
  return {
    provider,
    device: gpu.name,
    lost: device.lost,
    async run(inputs, outputs) {
      // A run that hangs gives no event; what hangs is ended with its device.
      const timer = setTimeout(() => device.destroy(), limits.runMs)
      try {
        return await device.unlessLost(() => session.run(inputs, outputs))
      } catch (error) {
        // The run may reject before the loss is told.
        await device.unlessLost(() => pause(lossIsToldWithinMs))
        throw error
      } finally {
        clearTimeout(timer)
      }
    },
    close: () => session.close(),
  }
}

const lossIsToldWithinMs = 100

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
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
  return watched(gpu, nameOf(adapter))
}

function watched(gpu: GPUDevice, name: string): Device {
  const { promise: lost, resolve } = Promise.withResolvers<void>()
  const refusals = new Set<(reason: SelvedgeError) => void>()
  let isLost = false
  const refusal = () => new SelvedgeError('DEVICE_LOST', `the WebGPU device (${name}) was lost`)

  function lose(): void {
    isLost = true
    resolve()
    for (const refuse of refusals) refuse(refusal())
  }

  // Once a device: each further reaction to a promise that does not settle is kept, and with it all that it names.
  void gpu.lost.then(lose)
  return {
    gpu,
    lost,
    get isLost() {
      return isLost
    },
    async unlessLost<Result>(task: () => Promise<Result>) {
      if (isLost) throw refusal()
      const { promise, resolve: give, reject: refuse } = Promise.withResolvers<Result>()
      refusals.add(refuse)
      try {
        task().then(give, refuse)
        const result = await promise
        if (isLost) throw refusal()
        return result
      } finally {
        refusals.delete(refuse)
      }
    },
    destroy() {
      gpu.destroy()
      lose()
    },
  }
}

/** Vendor and architecture. */
function nameOf({ info: { vendor, architecture } }: GPUAdapter): string {
  return [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter'
}
