/**
 * What the browser gives this worker: a store, what was kept at earlier visits, WebGPU, and ONNX Runtime on it. A start
 * asks for it before anything else, the rest of the worker's own code included, since the first answer waits for it
 * longest.
 */
import type { Source } from '../runtime/delivery/blobs.ts'
import { type Gpu, openGpu } from '../runtime/providers/web.ts'
import { type Build, chooseBuild } from './builds.ts'
import type { OpenOptions, Progress } from './protocol.ts'
import { type Runtime, startRuntime } from './runtime.ts'
import { openPageState, type PageState } from './state/state.ts'
import type { PageStore } from './store/port.ts'
import { openModelStore } from './store/store.ts'
import { warn } from './warn.ts'

export interface Platform {
  readonly store: PageStore
  readonly source: Source
  readonly state: PageState
  /** The signed plan of an earlier visit. */
  readonly held: string | undefined
  readonly gpu: Gpu
  readonly build: Build
  readonly runtime: Runtime
}

/** Resolves when ONNX Runtime is being read or downloaded: what comes now runs beside that. */
export async function openPlatform(options: OpenOptions, progress: (progress: Progress) => void): Promise<Platform> {
  const { registry, endpoint, token, providers } = options
  const wantsGpu = providers?.includes('webgpu') ?? true
  const [{ store, refused }, { state, held }, gpu] = await Promise.all([
    openModelStore(),
    openHeld(registry, endpoint),
    wantsGpu ? openGpu() : { absent: 'WebGPU was not asked for' },
  ])
  for (const reason of refused) warn(reason)
  // Said once: what keeps one blob from being stored keeps the others, too.
  let isSaid = false
  const unkept = (error: unknown) => {
    if (!isSaid) warn(error)
    isSaid = true
  }
  const source: Source = { store, token, unkept }
  const build = chooseBuild('name' in gpu)
  progress({ phase: 'runtime' })
  const runtime = startRuntime({
    build,
    gpu,
    source,
    registry,
    progress: (doneBytes, totalBytes) => progress({ phase: 'runtime', doneBytes, totalBytes }),
  })
  await runtime.underWay
  return { store, source, state, held, gpu, build, runtime }
}

async function openHeld(registry: string, endpoint: string): Promise<Pick<Platform, 'state' | 'held'>> {
  const state = await openPageState(warn)
  return { state, held: await state.plan(registry, endpoint) }
}
