/**
 * The builds of onnxruntime-web that a worker can start, each an entry and the one `.wasm` that belongs to it: a wrong
 * pair does not fail, it hangs for 10 s (design, section 5).
 */
import type { Ort } from '../runtime/providers/ort.ts'

export interface Build {
  /** File under `/runtime/<version>/`. */
  wasm: string
  load(): Promise<WebOrt>
}

/** What is used of the package beside sessions. */
export type WebOrt = Ort & { env: { wasm: { wasmBinary?: ArrayBufferLike | Uint8Array; numThreads?: number } } }

const builds = {
  jspi: { wasm: 'ort-wasm-simd-threaded.jspi.wasm', load: () => import('onnxruntime-web/jspi') },
  webgpu: { wasm: 'ort-wasm-simd-threaded.asyncify.wasm', load: () => import('onnxruntime-web/webgpu') },
  wasm: { wasm: 'ort-wasm-simd-threaded.wasm', load: () => import('onnxruntime-web/wasm') },
} satisfies Record<string, Build>

/** The smallest build that has every provider of this worker. */
export function chooseBuild(hasAdapter: boolean): Build {
  if (!hasAdapter) return builds.wasm
  return 'Suspending' in WebAssembly ? builds.jspi : builds.webgpu
}
