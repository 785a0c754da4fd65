/**
 * ONNX Runtime in Node: `cpu`, `cuda` and `webgpu` through the optional peer onnxruntime-node, `wasm` through
 * onnxruntime-web.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { ExecutionProvider } from '../contract/names.ts'
import { SelvedgeError } from '../errors.ts'
import type { OpenSession } from '../scoring/session.ts'
import { type Ort, openOrtSession } from './ort.ts'
import type { OrtTensorConstructor } from './tensors.ts'

export const openNodeSession: OpenSession = async (bytes, provider, { threads = 1 } = {}) => {
  // One thread a process unless it is said: as many processes as cores serve more than one process with many threads (design, section 12).
  const options = { executionProviders: [provider], intraOpNumThreads: threads }
  const ort = provider === 'wasm' ? await web() : await native(provider)
  const session = await openOrtSession(ort, bytes, provider, options)
  return { ...session, isSynchronous: provider === 'cpu' }
}

/** The providers of this host, the preferred first, and why the others are not there. */
export async function nodeProviders(): Promise<{
  present: ExecutionProvider[]
  absent: Partial<Record<ExecutionProvider, string>>
}> {
  const wanted = ['cuda', 'cpu', 'webgpu', 'wasm'] as const
  const present: ExecutionProvider[] = []
  const absent: Partial<Record<ExecutionProvider, string>> = {}
  for (const provider of wanted) {
    try {
      if (provider !== 'wasm') await native(provider)
      present.push(provider)
    } catch (error) {
      if (!(error instanceof SelvedgeError)) throw error
      absent[provider] = error.message
    }
  }
  return { present, absent }
}

async function web(): Promise<Ort> {
  const ort = await import('onnxruntime-web')
  ort.env.wasm.numThreads = 1
  return ort
}

async function native(provider: ExecutionProvider): Promise<Ort> {
  const ort = await importNative(provider)
  const listed = ort.listSupportedBackends().find((backend) => backend.name === provider)
  if (listed === undefined) {
    throw new SelvedgeError('PROVIDER_UNAVAILABLE', `this build of onnxruntime-node has no provider ${provider}`)
  }
  if (provider === 'cuda' && !hasCudaLibraries()) {
    throw new SelvedgeError('PROVIDER_UNAVAILABLE', 'the CUDA libraries of onnxruntime-node are not installed')
  }
  const { InferenceSession, Tensor } = ort as unknown as NativePackage
  return { InferenceSession, Tensor: withHalfFloats(Tensor) }
}

type NativePackage = Pick<Ort, 'InferenceSession'> & { Tensor: OrtTensorConstructor }

// Node 24 has Float16Array, whose length the binding of onnxruntime-node 1.30 takes for 0; it reads the same bits from a
// Uint16Array, which the package would replace (microsoft/onnxruntime#32323).
function withHalfFloats(Tensor: OrtTensorConstructor): OrtTensorConstructor {
  return class extends Tensor {
    constructor(...[type, data, dims]: ConstructorParameters<OrtTensorConstructor>) {
      super(type, data, dims)
      if (type === 'float16') Object.defineProperty(this, 'cpuData', { value: data, writable: true })
    }
  } as OrtTensorConstructor
}

// The package lists CUDA whether or not its install script could download the libraries.
function hasCudaLibraries(): boolean {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node')
  const folder = join(dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch)
  return existsSync(join(folder, 'libonnxruntime_providers_cuda.so'))
}

async function importNative(provider: ExecutionProvider): Promise<typeof import('onnxruntime-node')> {
  try {
    return await import('onnxruntime-node')
  } catch (cause) {
    throw new SelvedgeError(
      'PROVIDER_UNAVAILABLE',
      `provider ${provider} needs the package onnxruntime-node`,
      {},
      { cause },
    )
  }
}
