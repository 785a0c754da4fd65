/** The host of a page: follows one endpoint's plan, loads and verifies models, scores, counts and reports. In a worker. */

import { loadBlob, type Source } from '../runtime/blobs.ts'
import { type Lacks, webGpuLack } from '../runtime/candidates.ts'
import type { KeptChoices } from '../runtime/choice.ts'
import type { ConnectionState } from '../runtime/connection.ts'
import type { Digest } from '../runtime/contract/names.ts'
import type { Plan, PlanDeployment } from '../runtime/contract/plan.ts'
import type { TelemetryReport } from '../runtime/contract/telemetry.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { type Follower, followPlan } from '../runtime/follower.ts'
import { type LoadedDeployment, loadDeployment, loadVariant } from '../runtime/loader.ts'
import { type Gpu, openGpu, openWebSession } from '../runtime/providers/web.ts'
import { openQueue } from '../runtime/queue.ts'
import { openReporter, type Reporter } from '../runtime/reporter.ts'
import { openScorer, type Scorer } from '../runtime/scorer.ts'
import type { OpenSession } from '../runtime/session.ts'
import { postReport } from '../runtime/telemetry-post.ts'
import { type Build, chooseBuild } from './builds.ts'
import { openChoices } from './choices.ts'
import type { ConnectionEvent, OpenOptions, Progress } from './protocol.ts'
import { openOutbox } from './state/outbox.ts'
import { openPageState, type PageState } from './state/state.ts'
import { openModelStore, type PageStore } from './store/store.ts'

export interface Host {
  readonly gpu: Gpu
  readonly scorer: Scorer
  readonly follower: Follower
  readonly reporter: Reporter
  reported(): Promise<ConnectionState['reported']>
  close(): Promise<void>
}

export interface Listeners {
  progress(progress: Progress): void
  event(event: ConnectionEvent): void
}

export async function openHost(options: OpenOptions, listeners: Listeners): Promise<Host> {
  listeners.progress({ phase: 'plan' })
  const { registry, endpoint, token } = options
  const state = await openPageState(warn)
  const { store, refused } = await openModelStore()
  for (const reason of refused) warn(reason)
  // Said once: what keeps one blob from being stored keeps the others, too.
  let isSaid = false
  const unkept = (error: unknown) => {
    if (!isSaid) warn(error)
    isSaid = true
  }
  const source: Source = { store, token, unkept }
  const providers = options.providers ?? ['webgpu', 'wasm']
  const gpu: Gpu = providers.includes('webgpu') ? await openGpu() : { absent: 'WebGPU was not asked for' }
  const build = chooseBuild('name' in gpu)
  let openSession: OpenSession | undefined

  const lacks: Lacks = (candidate) => webGpuLack(gpu, candidate)
  // Whoever names providers has chosen.
  const choices = options.providers === undefined ? openChoices(hostOf(gpu)) : undefined
  let adopting: Plan | undefined

  // Runs on one WebGPU device never overlap; those on WASM need not wait for them.
  const queues = { webgpu: openQueue(), wasm: openQueue() }
  const scorer = openScorer({
    async openSession(bytes, provider) {
      if (openSession === undefined) throw new SelvedgeError('NOT_READY', 'ONNX Runtime is not loaded yet')
      listeners.progress({ phase: 'compile' })
      const session = await openSession(bytes, provider)
      listeners.progress({ phase: 'warm-up' })
      return session
    },
    providers,
    device: options.device,
    queueOf: (provider) => (provider === 'webgpu' ? queues.webgpu : queues.wasm),
    lacks,
    choices,
    async reload(deployment, variant) {
      if (adopting === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
      return await loadVariant(deployment, variant, loadOptions(adopting, deployment))
    },
    event: listeners.event,
  })

  function loadOptions(plan: Plan, { name }: PlanDeployment) {
    const progress = (doneBytes: number, totalBytes: number) =>
      listeners.progress({ phase: 'download', deployment: name, doneBytes, totalBytes })
    return { ...source, plan, progress }
  }

  async function load(plan: Plan, deployment: PlanDeployment): Promise<LoadedDeployment> {
    const chosen = (await choices?.read(deployment.manifest))?.variant
    return await loadDeployment(deployment, { ...loadOptions(plan, deployment), providers, lacks, chosen })
  }

  async function adopt(plan: Plan, jws: string): Promise<void> {
    if (openSession === undefined) listeners.progress({ phase: 'runtime' })
    openSession ??= await loadRuntime(build, gpu, plan, source, options.registry, listeners)
    adopting = plan
    const missing = plan.deployments.filter((deployment) => !scorer.holds(deployment))
    const loaded = await Promise.all(missing.map((deployment) => load(plan, deployment)))
    await scorer.serve(plan, loaded)
    await state.keepPlan(registry, endpoint, jws)
    void trim(store, plan, build, choices).catch(unkept)
  }

  async function send(report: TelemetryReport): Promise<void> {
    if (scorer.plan === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
    await postReport(scorer.plan.telemetry.url, report, token)
  }

  const outbox = openOutbox({ state, registry, endpoint, send, failed: warn })
  const taken = openTaken()
  const follower = followPlan({
    registry,
    endpoint,
    token,
    keys: options.keys,
    held: await state.plan(registry, endpoint),
    adopt,
    failed: warn,
  })
  const reporter = openReporter({
    plan: () => scorer.plan,
    tally: scorer.tally,
    units: scorer.units,
    async post(report) {
      await outbox.post(report)
      taken.add(report)
    },
    failed: warn,
  })
  // What earlier visits could not send.
  follower.ready.then(outbox.sendWaiting, () => undefined).catch(warn)

  return {
    gpu,
    scorer,
    follower,
    reporter,
    reported: async () => taken.read(await dropped(scorer, state, options)),
    async close() {
      follower.close()
      reporter.close()
      await reporter.flush()
      await scorer.close()
      state.close()
    },
  }
}

/** What the registry has taken of this life of the host. */
function openTaken(): { add(report: TelemetryReport): void; read(dropped: number): ConnectionState['reported'] } {
  // A report tells all rows of its window again: what counts is how far its window rose.
  let latest = { window: '', rows: 0 }
  const taken: { rows: number; at?: string; profiles: TelemetryReport['profiles'] } = { rows: 0, profiles: [] }
  return {
    add({ window, profiles }) {
      const rows = profiles.reduce((sum, profile) => sum + profile.rows, 0)
      taken.rows += window === latest.window ? rows - latest.rows : rows
      latest = { window, rows }
      taken.at = new Date().toISOString()
      if (profiles.length > 0) taken.profiles = profiles
    },
    read: (dropped) => ({ ...taken, dropped }),
  }
}

async function dropped(scorer: Scorer, state: PageState, { registry, endpoint }: OpenOptions): Promise<number> {
  return scorer.tally.dropped + scorer.units.dropped + (await state.droppedReports(registry, endpoint))
}

// The new version has answered its golden samples: what the plan no longer names may leave, and so may variants that were
// compared and passed over.
async function trim(store: PageStore, plan: Plan, build: Build, choices: KeptChoices | undefined): Promise<void> {
  const blobs: (string | undefined)[] = [plan.runtime.files[build.wasm]]
  for (const { manifest, description, spec, golden, variants } of plan.deployments) {
    const choice = await choices?.read(manifest)
    const needed = choice && [choice.variant, choice.spare?.variant]
    const kept = variants.filter(({ id }) => needed?.includes(id) ?? true)
    blobs.push(description, spec, golden, ...kept.flatMap(({ files }) => files.map(({ digest }) => digest)))
  }
  await store.trim(blobs.filter((digest) => digest !== undefined) as Digest[])
}

async function loadRuntime(
  build: Build,
  gpu: Gpu,
  plan: Plan,
  source: Source,
  registry: string,
  listeners: Listeners,
): Promise<OpenSession> {
  const digest = plan.runtime.files[build.wasm]
  if (digest === undefined) {
    throw new SelvedgeError('PROVIDER_UNAVAILABLE', `the registry does not serve ${build.wasm} to pages`)
  }
  const url = `${registry}/runtime/${plan.runtime.ort}/${build.wasm}`
  const progress = (doneBytes: number, totalBytes: number) =>
    listeners.progress({ phase: 'runtime', doneBytes, totalBytes })
  const [ort, wasm] = await Promise.all([build.load(), loadBlob(url, digest as Digest, source, progress)])
  ort.env.wasm.wasmBinary = wasm
  // Two threads on two cores were slower than one where it was measured.
  ort.env.wasm.numThreads = 1
  return openWebSession(ort, gpu)
}

function hostOf(gpu: Gpu): string {
  return `${'name' in gpu ? gpu.name : 'no adapter'}, ort ${ORT_VERSION}`
}

function warn(error: unknown): void {
  if (error instanceof SelvedgeError) console.warn(`selvedge: ${error.code}: ${error.message}`, error.cause ?? '')
  else console.warn('selvedge:', error)
}
