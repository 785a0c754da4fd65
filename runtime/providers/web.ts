/** ONNX Runtime in a page's worker: `webgpu` on a device of our own, `wasm` beside it. */
import type { InferenceSession } from 'onnxruntime-web'
import type { ExecutionProvider } from '../contract/names.ts'
import { SelvedgeError } from '../errors.ts'
import type { OpenSession } from '../session.ts'
import { type Ort, openOrtSession } from './ort.ts'

/** @param device - what {@link openGpu} gave */
export function openWebSession(ort: Ort, gpu: Gpu): OpenSession {
  return async (bytes, provider) => {
    const session = await openOrtSession(ort, bytes, provider, sessionOptions(provider, gpu))
    return provider === 'webgpu' && 'name' in gpu ? { ...session, device: gpu.name } : session
  }
}

/** A WebGPU device, or the reason why there is none. */
export type Gpu = { device: GPUDevice; name: string } | { absent: string }

/**
 * A device made by us, never by ONNX Runtime: after a loss only then a new session in the same worker works (design,
 * section 12).
 */
export async function openGpu(): Promise<Gpu> {
  if (navigator.gpu === undefined) return { absent: 'this browser has no WebGPU' }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter === null) return { absent: 'WebGPU has no adapter here' }
  const wanted: GPUFeatureName[] = ['shader-f16', 'subgroups', 'timestamp-query']
  try {
    const device = await adapter.requestDevice({
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
    const { vendor, architecture } = adapter.info
    return { device, name: [vendor, architecture].filter(Boolean).join(' ') || 'unnamed adapter' }
  } catch (cause) {
    return { absent: `the WebGPU adapter refused a device: ${cause instanceof Error ? cause.message : String(cause)}` }
  }
}

function sessionOptions(provider: ExecutionProvider, gpu: Gpu): InferenceSession.SessionOptions {
  if (provider === 'wasm') return { executionProviders: ['wasm'] }
  if (provider !== 'webgpu') throw new SelvedgeError('PROVIDER_UNAVAILABLE', `a page has no provider ${provider}`)
  if ('absent' in gpu) throw new SelvedgeError('PROVIDER_UNAVAILABLE', gpu.absent)
  return { executionProviders: [{ name: 'webgpu', device: gpu.device }] }
}
