/**
 * The builds of onnxruntime-web that a worker can start, each an entry and the one `.wasm` that belongs to it: a wrong
 * pair does not fail, it hangs for 10 s (design, section 5). So the digest of the `.wasm` is as fixed as the entry, which
 * lies in the worker, and is no matter of a plan.
 */
import { SelvedgeError } from '../runtime/errors.ts'
import type { Ort } from '../runtime/providers/ort.ts'

export interface Build {
  /** File under `/runtime/<version>/`. */
  wasm: keyof typeof entries
  digest: `sha256:${string}`
  load(): Promise<WebOrt>
}

/** What is used of the package beside sessions. */
export type WebOrt = Ort & { env: { wasm: { wasmBinary?: ArrayBufferLike | Uint8Array; numThreads?: number } } }

const bundles = {
  jspi: () => import('onnxruntime-web/jspi'),
  webgpu: () => import('onnxruntime-web/webgpu'),
  wasm: () => import('onnxruntime-web/wasm'),
} satisfies Record<string, () => Promise<WebOrt>>

const entries = {
  'ort-wasm-simd-threaded.jspi.wasm': bundles.jspi,
  'ort-wasm-simd-threaded.asyncify.wasm': bundles.webgpu,
  'ort-wasm-simd-threaded.wasm': bundles.wasm,
}

/** ONNX Runtime names its threads so; our build adds of which bundle they are (vite.config.ts). */
const threadName = /^em-pthread (\w+)$/

export function isThread(name: string): boolean {
  return threadName.test(name)
}

/** In a worker that ONNX Runtime started as a thread of its own: from here on its bundle does the rest. */
export async function runThread(name: string): Promise<void> {
  const bundle = threadName.exec(name)?.[1] as keyof typeof bundles
  await bundles[bundle]()
}

/** The smallest build that has every provider of this worker. */
export function chooseBuild(hasAdapter: boolean): Build {
  if (!hasAdapter) return buildOf('ort-wasm-simd-threaded.wasm')
  const hasJspi = 'Suspending' in WebAssembly
  return buildOf(hasJspi ? 'ort-wasm-simd-threaded.jspi.wasm' : 'ort-wasm-simd-threaded.asyncify.wasm')
}

export function buildOf(wasm: Build['wasm']): Build {
  const digest = WASM_DIGESTS[wasm]
  if (digest === undefined) throw new SelvedgeError('INTERNAL', `this worker was built without ${wasm}`)
  return { wasm, digest, load: entries[wasm] }
}
