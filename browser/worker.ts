/** The worker behind a page: follows the plan, loads and verifies models, scores, counts and reports. */
import { expose } from 'comlink'
import { splitPercent } from '../runtime/connection.ts'
import type { Digest } from '../runtime/contract/names.ts'
import type { Plan } from '../runtime/contract/plan.ts'
import type { ProfileReport, TelemetryReport } from '../runtime/contract/telemetry.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { type Follower, followPlan } from '../runtime/follower.ts'
import { type LoadOptions, loadBlob, loadDeployment } from '../runtime/loader.ts'
import { isExpired } from '../runtime/plan.ts'
import { type Gpu, openGpu, openWebSession } from '../runtime/providers/web.ts'
import { openQueue } from '../runtime/queue.ts'
import { openReporter, type Reporter } from '../runtime/reporter.ts'
import { openScorer, type Scorer } from '../runtime/scorer.ts'
import type { OpenSession } from '../runtime/session.ts'
import type { ModelStore } from '../runtime/store.ts'
import { type Build, chooseBuild } from './builds.ts'
import { openChoices } from './choices.ts'
import { readPixels } from './images.ts'
import { noStore } from './no-store.ts'
import { openOpfsStore } from './opfs-store.ts'
import { watchPolicy } from './policy.ts'
import type { OpenOptions, Told, WorkerApi } from './protocol.ts'
import { openPageState, type PageState } from './state.ts'
import { keepErrorCodes } from './thrown.ts'

interface Opened {
  gpu: Gpu
  scorer: Scorer
  follower: Follower
  reporter: Reporter
  page: PageState
  reported: { rows: number; at: string | undefined; profiles: readonly ProfileReport[] }
}

// ONNX Runtime's own threads load this same file under another name.
if (!self.name.startsWith('em-pthread')) start()

function start(): void {
  keepErrorCodes()
  let opened: Opened | undefined

  function connected(): Opened {
    if (opened === undefined) throw new SelvedgeError('HOST_CLOSED', 'the worker is not connected')
    return opened
  }

  const api: WorkerApi = {
    hold: (lock) =>
      new Promise((held, refused) => {
        const forEver = new Promise(() => undefined)
        const request = navigator.locks.request(lock, () => {
          held()
          return forEver
        })
        request.catch(refused)
      }),
    async open(options) {
      const policy = watchPolicy(self)
      try {
        const page = await openPageState()
        tell({ told: 'progress', progress: { phase: 'plan' } })
        opened = await open(options, page)
        await opened.follower.ready
      } catch (error) {
        throw await policy.explain(error)
      } finally {
        policy.close()
      }
      if (options.isReplacement) opened.scorer.count('WORKER_UNAVAILABLE')
      tell({ told: 'progress', progress: { phase: 'ready' } })
    },
    async score(records, unit) {
      const { scorer } = connected()
      return await scorer.score({ records: records.map(readPixels) }, scorer.choose({ unit }))
    },
    async infer(inputs, unit) {
      const { scorer } = connected()
      return await scorer.infer({ inputs }, scorer.choose({ unit }))
    },
    outcome: async (unit, values) => connected().scorer.units.outcome(unit, values),
    async destroyDevice() {
      const { gpu } = connected()
      if ('absent' in gpu) throw new SelvedgeError('PROVIDER_UNAVAILABLE', gpu.absent)
      await gpu.destroyDevice()
    },
    async state() {
      const { scorer, reported } = connected()
      if (scorer.plan === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
      return {
        revision: scorer.plan.revision,
        stale: isExpired(scorer.plan, Date.now()),
        split: splitPercent(scorer.plan.ranges),
        versions: Object.fromEntries(scorer.plan.deployments.map(({ name, version }) => [name, version])),
        reported: { ...reported, dropped: scorer.tally.dropped + scorer.units.dropped },
      }
    },
    report: async () => await connected().reporter.flush(),
    async close() {
      const { follower, reporter, scorer, page } = connected()
      follower.close()
      reporter.close()
      await reporter.flush()
      await scorer.close()
      page.close()
      opened = undefined
    },
    ping: async () => undefined,
  }
  expose(api)
  // The page waits for a first word: a worker that was blocked never says one.
  tell({ told: 'started' })
}

async function open(options: OpenOptions, page: PageState): Promise<Opened> {
  const store = await openStore()
  const gpu = await openGpu()
  const build = chooseBuild('device' in gpu)
  const providers = options.providers ?? ['webgpu', 'wasm']
  const reported: Opened['reported'] = { rows: 0, at: undefined, profiles: [] }
  let openSession: OpenSession | undefined

  // Runs on one WebGPU device never overlap; those on WASM need not wait for them.
  const queues = { webgpu: openQueue(), wasm: openQueue() }

  const scorer = openScorer({
    async openSession(bytes, provider) {
      if (openSession === undefined) throw new SelvedgeError('NOT_READY', 'ONNX Runtime is not loaded yet')
      tell({ told: 'progress', progress: { phase: 'compile' } })
      const session = await openSession(bytes, provider)
      tell({ told: 'progress', progress: { phase: 'warm-up' } })
      return session
    },
    providers,
    device: options.device,
    queueOf: (provider) => (provider === 'webgpu' ? queues.webgpu : queues.wasm),
    // Whoever names providers has chosen.
    choices:
      options.providers === undefined
        ? openChoices(`${'name' in gpu ? gpu.name : 'no adapter'}, ort ${ORT_VERSION}`)
        : undefined,
    async reload(deployment) {
      if (scorer.plan === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
      return (await loadDeployment(deployment, loadOptions(scorer.plan))).bytes
    },
    event: (event) => tell({ told: 'event', event }),
  })

  function loadOptions(plan: Plan, progress?: LoadOptions['progress']): LoadOptions {
    return { plan, providers, store, token: options.token, progress }
  }

  async function adopt(plan: Plan, jws: string): Promise<void> {
    if (openSession === undefined) tell({ told: 'progress', progress: { phase: 'runtime' } })
    openSession ??= await loadRuntime(build, gpu, plan, store, options)
    const missing = plan.deployments.filter((deployment) => !scorer.holds(deployment))
    const loaded = await Promise.all(
      missing.map((deployment) => {
        const progress = (doneBytes: number, totalBytes: number) =>
          tell({
            told: 'progress',
            progress: { phase: 'download', deployment: deployment.name, doneBytes, totalBytes },
          })
        return loadDeployment(deployment, loadOptions(plan, progress))
      }),
    )
    await scorer.serve(plan, loaded)
    await page.keepPlan(options.registry, options.endpoint, jws)
  }

  async function post(report: TelemetryReport): Promise<void> {
    const url = scorer.plan?.telemetry.url
    if (url === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
    const key = await page.keepReport(url, report)
    await send(url, report, options.token)
    await page.forgetReport(key)
    reported.rows += newRows(report)
    reported.at = new Date().toISOString()
    if (report.profiles.length > 0) reported.profiles = report.profiles
  }

  // The rows of a window are reported again with every report of it.
  const rowsByWindow = new Map<string, number>()
  function newRows({ window, profiles }: TelemetryReport): number {
    const rows = profiles.reduce((sum, profile) => sum + profile.rows, 0)
    const before = rowsByWindow.get(window) ?? 0
    if (rows > before) rowsByWindow.set(window, rows)
    return Math.max(0, rows - before)
  }

  const follower = followPlan({
    registry: options.registry,
    endpoint: options.endpoint,
    token: options.token,
    keys: options.keys,
    held: await page.plan(options.registry, options.endpoint),
    adopt,
    failed: warn,
  })
  const reporter = openReporter({
    plan: () => scorer.plan,
    tally: scorer.tally,
    units: scorer.units,
    post,
    failed: warn,
  })
  void sendWaiting(page, options.token).catch(warn)
  return { gpu, scorer, follower, reporter, page, reported }
}

async function openStore(): Promise<ModelStore> {
  try {
    return await openOpfsStore()
  } catch (error) {
    // Private windows of some browsers: models are then downloaded at each visit.
    warn(error)
    return noStore
  }
}

async function loadRuntime(
  build: Build,
  gpu: Gpu,
  plan: Plan,
  store: ModelStore,
  { registry, token }: OpenOptions,
): Promise<OpenSession> {
  const digest = plan.runtime.files[build.wasm]
  if (digest === undefined) {
    throw new SelvedgeError('PROVIDER_UNAVAILABLE', `the registry does not serve ${build.wasm} to pages`)
  }
  const url = `${registry}/runtime/${plan.runtime.ort}/${build.wasm}`
  const [ort, wasm] = await Promise.all([build.load(), loadBlob(url, digest as Digest, { store, token })])
  ort.env.wasm.wasmBinary = wasm
  // Two threads on two cores were slower than one where it was measured.
  ort.env.wasm.numThreads = 1
  return openWebSession(ort, gpu)
}

async function send(url: string, report: TelemetryReport, token: string | undefined): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    keepalive: true,
    headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(report),
  })
  if (!response.ok) throw new SelvedgeError('TELEMETRY_REFUSED', `the report was answered with ${response.status}`)
}

// What an earlier visit could not send; what the registry refuses now it will refuse again.
async function sendWaiting(page: PageState, token: string | undefined): Promise<void> {
  for (const { key, url, report } of await page.waitingReports()) {
    try {
      await send(url, report, token)
    } catch (error) {
      if (!(error instanceof SelvedgeError)) throw error
      warn(error)
    }
    await page.forgetReport(key)
  }
}

function tell(told: Told): void {
  postMessage(told)
}

function warn(error: unknown): void {
  if (error instanceof SelvedgeError) console.warn(`selvedge: ${error.code}: ${error.message}`, error.cause ?? '')
  else console.warn('selvedge:', error)
}
