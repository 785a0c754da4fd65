/** The edge worker in workerd (miniflare), bundled as an application does it. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Miniflare } from 'miniflare'
import { build, type Rolldown } from 'vite'
import type { EdgeOptions } from '../../../server/edge/edge.ts'

export interface Worker extends AsyncDisposable {
  /** Base address, without a slash at its end. */
  url: string
}

export interface WorkerOptions extends Omit<EdgeOptions, 'wasm'> {
  /** Folder of the platform's cache; in memory where absent. */
  cacheDir?: string
  compatibilityFlags?: string[]
  /** JavaScript that runs when the worker is loaded. */
  before?: string
}

const root = fileURLToPath(new URL('../../..', import.meta.url))
const wasm = readFileSync(createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'))

export async function startWorker({
  cacheDir,
  compatibilityFlags,
  before,
  ...options
}: WorkerOptions): Promise<Worker> {
  bundled ??= bundle(`${root}server/edge/edge.ts`)
  const entry = `
    import { createEdge } from './edge.js'
    import wasm from './ort-wasm-simd-threaded.wasm'
    ${before ?? ''}
    export default createEdge({ ...${JSON.stringify(options)}, wasm })`
  const workerd = new Miniflare({
    modules: [
      { type: 'ESModule', path: 'worker.js', contents: entry },
      { type: 'ESModule', path: 'edge.js', contents: await bundled },
      { type: 'CompiledWasm', path: 'ort-wasm-simd-threaded.wasm', contents: wasm },
    ],
    compatibilityDate: '2026-07-01',
    compatibilityFlags: compatibilityFlags ?? [],
    cachePersist: cacheDir ?? false,
    // What it says on stderr is what a refused plan says.
    handleRuntimeStdio: () => undefined,
  })
  const { origin } = await workerd.ready
  return { url: origin, [Symbol.asyncDispose]: () => workerd.dispose() }
}

let bundled: Promise<string> | undefined

/** One module, as a bundler gives it. */
export async function bundle(input: string): Promise<string> {
  const built = (await build({
    configFile: false,
    root,
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2024',
      minify: false,
      rolldownOptions: {
        input,
        preserveEntrySignatures: 'strict',
        output: { codeSplitting: false },
      },
    },
  })) as Rolldown.RolldownOutput
  const chunk = built.output.find((each) => each.type === 'chunk')
  if (chunk === undefined) throw new Error('nothing was bundled')
  return chunk.code
}
