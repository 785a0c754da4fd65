/** ONNX Runtime of this worker: loaded, proven and compiled while the plan and its models are still on their way. */

import type { Plan } from '../runtime/contract/plan.ts'
import { loadBlob, type Source } from '../runtime/delivery/blobs.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { standIn } from '../runtime/providers/stand-in.ts'
import { type Gpu, openWebSession } from '../runtime/providers/web.ts'
import type { OpenSession } from '../runtime/scoring/session.ts'
import type { Build, WebOrt } from './builds.ts'

export interface RuntimeOptions {
  build: Build
  gpu: Gpu
  source: Source
  /** Base address of the registry. */
  registry: string
  /** Not called where the store has it. */
  progress(doneBytes: number, totalBytes: number): void
}

export interface Runtime {
  /** Settled once its bytes are here or on their way, or cannot be had. */
  readonly underWay: Promise<void>
  /** What gives sessions, the same at each call; where it could not be loaded, a call tries again. */
  session(): Promise<OpenSession>
  /** How many threads a run on WASM takes, 1 where this is not called; the first session settles it. */
  useThreads(count: number): void
}

/** Begins at once. */
export function startRuntime(options: RuntimeOptions): Runtime {
  const { promise: underWay, resolve } = Promise.withResolvers<void>()
  let threads = 1
  let started: Promise<OpenSession> | undefined
  const session = () => {
    started ??= loadRuntime(options, resolve).then(
      (ort) => withThreads(ort, options.gpu, () => threads),
      (error: unknown) => {
        started = undefined
        throw error
      },
    )
    return started
  }
  // Whoever needs it is told what went wrong.
  session().then(
    () => resolve(),
    () => resolve(),
  )
  return {
    underWay,
    session,
    useThreads(count) {
      threads = count
    },
  }
}

/** What went wrong, where a registry serves the files of another version of ONNX Runtime than this worker needs. */
export function explainRuntime(error: unknown, { wasm, digest }: Build, { runtime }: Plan): unknown {
  if (!(error instanceof SelvedgeError) || runtime.files[wasm] === digest) return error
  const message = `this page needs ONNX Runtime ${ORT_VERSION}, the registry serves that of ${runtime.ort} to pages`
  return new SelvedgeError('PROVIDER_UNAVAILABLE', message, {}, { cause: error })
}

async function loadRuntime(
  { build, source, registry, progress }: RuntimeOptions,
  underWay: () => void,
): Promise<WebOrt> {
  const url = `${registry}/runtime/${ORT_VERSION}/${build.wasm}`
  let compiling: Promise<WebAssembly.Module> | undefined
  const unproven = (bytes: Uint8Array<ArrayBuffer>) => {
    // Not run before the bytes are proven.
    compiling = WebAssembly.compile(bytes)
    compiling.catch(() => undefined)
    underWay()
  }
  const [ort] = await Promise.all([
    build.load(),
    loadBlob(url, build.digest, source, { progress, unproven, absent: underWay }),
  ])
  if (compiling === undefined) throw new SelvedgeError('INTERNAL', 'bytes were proven that nobody saw')
  ort.env.wasm.wasmBinary = standIn(await compiling)
  return ort
}

// ONNX Runtime reads the number when it makes its first session, and starts that many workers less one.
function withThreads(ort: WebOrt, gpu: Gpu, threads: () => number): OpenSession {
  const openSession = openWebSession(ort, gpu)
  return async (bytes, provider) => {
    ort.env.wasm.numThreads = threads()
    return await openSession(bytes, provider)
  }
}
