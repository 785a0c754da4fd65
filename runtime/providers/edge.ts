/** ONNX Runtime in an edge isolate: WASM with one thread, its module compiled by the platform. */
import * as ort from 'onnxruntime-web/wasm'
import { SelvedgeError } from '../errors.ts'
import { externalize } from '../onnx/externalize.ts'
import { openQueue } from '../scoring/queue.ts'
import type { OpenSession } from '../scoring/session.ts'
import { openOrtSession } from './ort.ts'
import { standIn } from './stand-in.ts'

/**
 * @param module - `ort-wasm-simd-threaded.wasm` of the same version of onnxruntime-web, a `WebAssembly.Module`: an
 * isolate may not compile bytes
 */
export function openEdgeSession(module: object): OpenSession {
  ort.env.wasm.wasmBinary = standIn(module)
  ort.env.wasm.numThreads = 1
  // ONNX Runtime has one table of external data, which the end of any creation clears: creations take turns.
  const turns = openQueue()
  return async (given, provider) => {
    if (provider !== 'wasm') {
      throw new SelvedgeError('PROVIDER_UNAVAILABLE', `an edge isolate has no provider ${provider}`)
    }
    const bytes = externalize(given)
    return await turns.runAlways(() => openOrtSession(ort, bytes, provider, { executionProviders: ['wasm'] }))
  }
}
