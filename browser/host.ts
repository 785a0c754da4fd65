/** The host of a page: follows one endpoint's plan, loads and verifies models, scores, counts and reports. In a worker. */

import { type ConnectionState, splitPercent } from '../runtime/connection.ts'
import type { Digest } from '../runtime/contract/names.ts'
import type { Plan, PlanDeployment } from '../runtime/contract/plan.ts'
import type { TelemetryReport } from '../runtime/contract/telemetry.ts'
import { type Lacks, webGpuLack } from '../runtime/delivery/candidates.ts'
import { type LoadedDeployment, loadDeployment, loadVariant } from '../runtime/delivery/loader.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { type Follower, followPlan } from '../runtime/plan/follower.ts'
import { answeringIn, isExpired } from '../runtime/plan/plan.ts'
import type { Gpu } from '../runtime/providers/web.ts'
import type { KeptChoices } from '../runtime/scoring/choice.ts'
import { openQueue } from '../runtime/scoring/queue.ts'
import { type Chosen, openScorer, type Scorer } from '../runtime/scoring/scorer.ts'
import { headersOf, openPost } from '../runtime/telemetry/post.ts'
import { openReporter, type Reporter } from '../runtime/telemetry/reporter.ts'
import type { Build } from './builds.ts'
import { openChoices, openTrials } from './choices.ts'
import type { Platform } from './platform.ts'
import type { ConnectionEvent, Draft, OpenOptions, Progress } from './protocol.ts'
import { explainRuntime } from './runtime.ts'
import { openOutbox } from './state/outbox.ts'
import type { PageState } from './state/state.ts'
import type { PageStore } from './store/port.ts'
import { openThreads, type Subject, type Threads, threadsToTry } from './threads.ts'
import { canStartWorkers, measureThreads } from './trial.ts'
import { warn } from './warn.ts'

export interface Host {
  readonly gpu: Gpu
  readonly scorer: Scorer
  /** Who answers for the page's attributes and a unit. */
  choose(unit: string | undefined): Chosen
  readonly follower: Follower
  readonly reporter: Reporter
  readonly threads: Threads
  /** Settles once the page has what it sends when it goes. */
  draft(): Promise<void>
  /** The same, behind whatever waits for an answer. */
  draftSoon(): void
  state(): Promise<ConnectionState>
  close(): Promise<void>
}

export interface Listeners {
  progress(progress: Progress): void
  event(event: ConnectionEvent): void
  draft(draft: Draft | undefined): void
}

export async function openHost(
  options: OpenOptions,
  { store, source, state, held, gpu, build, runtime }: Platform,
  listeners: Listeners,
): Promise<Host> {
  const { registry, endpoint, token } = options
  const providers = options.providers ?? ['webgpu', 'wasm']
  const downloads = openDownloads(listeners)
  const lacks: Lacks = (candidate) => webGpuLack(gpu, candidate)
  // Whoever names providers has chosen.
  const choices = options.providers === undefined ? openChoices(hostOf(gpu)) : undefined
  const cores = navigator.hardwareConcurrency
  const threads = openThreads({
    // What the last worker died of may have been its threads.
    most: threadsToTry(self.crossOriginIsolated && !options.isReplacement, cores),
    kept: openTrials(`${cores} cores, ort ${ORT_VERSION}`),
    canStart: canStartWorkers,
    measure: (subject, count, signal) =>
      measureThreads({ ...subject, registry, token, wasm: build.wasm, threads: count }, signal),
    restMs: 2000,
    failed: warn,
  })
  let adopting: Plan | undefined
  let kept = held

  // Runs on one WebGPU device never overlap; those on WASM need not wait for them.
  const queues = { webgpu: openQueue(), wasm: openQueue() }
  const scorer = openScorer({
    async openSession(bytes, provider) {
      const openSession = await runtime.session()
      listeners.progress({ phase: 'compile' })
      const session = await openSession(bytes, provider)
      listeners.progress({ phase: 'warm-up' })
      return session
    },
    providers,
    device: options.device,
    // A run holds the worker: whoever clicks again soon must not wait for it.
    shadowRestMs: 50,
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
    return { ...source, plan, progress: downloads.of(name) }
  }

  async function load(plan: Plan, deployment: PlanDeployment): Promise<LoadedDeployment> {
    const chosen = (await choices?.read(deployment.manifest))?.variant
    return await loadDeployment(deployment, { ...loadOptions(plan, deployment), providers, lacks, chosen })
  }

  async function adopt(plan: Plan, jws: string): Promise<void> {
    adopting = plan
    const missing = plan.deployments.filter((deployment) => !scorer.holds(deployment))
    const loading = Promise.all(missing.map((deployment) => load(plan, deployment)))
    const running = runtime.session().catch((error) => Promise.reject(explainRuntime(error, build, plan)))
    const [loaded, , count] = await Promise.all([loading, running.finally(downloads.runtimeIsHere), threads.take(plan)])
    runtime.useThreads(count)
    await scorer.serve(plan, loaded)
    threads.served(onWasm(plan))
    if (jws !== kept) await state.keepPlan(registry, endpoint, jws)
    kept = jws
    void trim(store, plan, build, choices).catch(warn)
  }

  function onWasm(plan: Plan): Subject[] {
    return plan.deployments.flatMap((deployment) => {
      const lane = scorer.lanes.get(deployment.name)
      return lane?.provider === 'wasm' ? [{ plan, deployment, variant: lane.variant }] : []
    })
  }

  const postReport = openPost(token)
  let isReached = true

  async function send(report: TelemetryReport, leaving?: boolean): Promise<void> {
    if (scorer.plan === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
    isReached = false
    await postReport(scorer.plan.telemetry.url, report, leaving)
    isReached = true
  }

  const outbox = openOutbox({ state, registry, endpoint, send, failed: warn })
  const taken = openTaken()
  const follower = followPlan({
    registry,
    endpoint,
    token,
    keys: options.keys,
    held,
    adopt,
    failed: warn,
  })
  const reporter = openReporter({
    plan: () => scorer.plan,
    tally: scorer.tally,
    units: scorer.units,
    async post(report, leaving) {
      await outbox.post(report, leaving)
      taken.add(report)
    },
    // What came while a report was under way stays with the page.
    flushed: () => draft(),
    failed: warn,
  })
  let drafting: ReturnType<typeof setTimeout> | undefined
  let draftedAt = 0
  let givingDraft = Promise.resolve()

  async function giveDraft(): Promise<void> {
    clearTimeout(drafting)
    drafting = undefined
    draftedAt = performance.now()
    const report = await reporter.draft()
    if (report === undefined || scorer.plan === undefined) return listeners.draft(undefined)
    // What the page could not send either goes at the next visit.
    if (!isReached || !navigator.onLine) await state.keepReport(registry, report)
    const init = { method: 'POST', keepalive: true, headers: headersOf(token), body: JSON.stringify(report) } as const
    listeners.draft([scorer.plan.telemetry.url, init])
  }

  // One after the other: the page keeps the last that it is given.
  function draft(): Promise<void> {
    givingDraft = givingDraft.then(giveDraft).catch(warn)
    return givingDraft
  }

  // What earlier visits could not send.
  follower.ready.then(outbox.sendWaiting, () => undefined).catch(warn)

  return {
    gpu,
    scorer,
    choose: (unit) => scorer.choose({ unit, attributes: options.attributes }),
    follower,
    reporter,
    threads,
    draft,
    draftSoon() {
      const waitMs = Math.max(0, draftedAt + draftMs - performance.now())
      drafting ??= setTimeout(draft, waitMs)
    },
    async state() {
      const { plan } = scorer
      if (plan === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
      return {
        revision: plan.revision,
        stale: isExpired(plan, Date.now()),
        split: splitPercent(plan.ranges),
        versions: Object.fromEntries(answeringIn(plan).map(({ name, version }) => [name, version])),
        reported: taken.read(await dropped(scorer, state, options)),
      }
    },
    async close() {
      threads.close()
      clearTimeout(drafting)
      follower.close()
      reporter.close()
      await reporter.flush(true)
      await scorer.close()
      state.close()
    },
  }
}

/** At most so often: it costs as much as a report. */
const draftMs = 250

/** Downloads as a bar shows them: ONNX Runtime and the models come at once, and are told of one after the other. */
function openDownloads({ progress }: Listeners) {
  let isRuntimeHere = false
  const waiting = new Map<string, Progress>()
  return {
    runtimeIsHere() {
      isRuntimeHere = true
      for (const told of waiting.values()) progress(told)
      waiting.clear()
    },
    of: (deployment: string) => (doneBytes: number, totalBytes: number) => {
      const told: Progress = { phase: 'download', deployment, doneBytes, totalBytes }
      if (isRuntimeHere) progress(told)
      else waiting.set(deployment, told)
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
  const blobs: (string | undefined)[] = [build.digest]
  for (const { manifest, description, spec, golden, variants } of plan.deployments) {
    const choice = await choices?.read(manifest)
    const needed = choice && [choice.variant, choice.spare?.variant]
    const kept = variants.filter(({ id }) => needed?.includes(id) ?? true)
    blobs.push(description, spec, golden, ...kept.flatMap(({ files }) => files.map(({ digest }) => digest)))
  }
  await store.trim(blobs.filter((digest) => digest !== undefined) as Digest[])
}

function hostOf(gpu: Gpu): string {
  return `${'name' in gpu ? gpu.name : 'no adapter'}, ort ${ORT_VERSION}`
}
