/** One scorer process: started, spoken to, and killed when it makes no progress within the deadline. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { Plan, PlanDeployment } from '../runtime/contract/plan.ts'
import type { TelemetryReport } from '../runtime/contract/telemetry.ts'
import { decodeError, encodeError, SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import type { LoadedDeployment } from '../runtime/loader.ts'
import type { Answer } from '../runtime/scorer.ts'
import { addressSpaceBytes, limitAddressSpace, withParentDeath } from './guard.ts'
import type { HttpAnswer } from './http-answer.ts'
import type { Log } from './log.ts'
import type { Frame, FrameMeta, FrameType, ReportedCounts, RequestMeta } from './protocol.ts'
import { openWire, type Wire } from './wire.ts'

export interface ScorerProcessOptions {
  /** An empty folder: ONNX Runtime reads external data relative to it. */
  cwd: string
  /** Restricts the execution providers. */
  providers?: readonly ExecutionProvider[] | undefined
  /** The longest that a run may take, in ms. */
  runMs: number
  post(report: TelemetryReport): Promise<void>
  log: Log
}

interface Death {
  /** In words. */
  how: string
  /** The endpoint whose request or plan it worked on. */
  suspect: string | undefined
}

/** Every promise settles, also when the process dies: then with `SCORER_DIED`. */
export interface ScorerProcess {
  readonly pid: number
  /** Requests that wait or run. */
  readonly busy: number
  /** Whether it is held by an address space limit. */
  readonly limited: boolean
  /** The execution providers that it has; rejects where it dies before. */
  readonly ready: Promise<ExecutionProvider[]>
  readonly ended: Promise<Death>
  /** The plan in force for an endpoint. */
  plan(endpoint: string): Plan | undefined
  holds(endpoint: string, deployment: PlanDeployment): boolean
  serve(plan: Plan, loaded: readonly LoadedDeployment[]): Promise<void>
  withdraw(endpoint: string): Promise<void>
  /**
   * @throws SelvedgeError `DEADLINE_EXCEEDED` after `runMs`, `QUEUE_FULL` where too many bytes wait, `SCORER_DIED`
   */
  ask(type: 'infer' | 'score', meta: RequestMeta, body: Uint8Array, signal?: AbortSignal): Promise<ScoredAnswer>
  outcome(meta: FrameMeta['outcome']): void
  count(endpoint: string): Promise<ReportedCounts>
  /** False where something could not be posted and waits on. */
  flush(): Promise<boolean>
  kill(how: string): void
}

export type ScoredAnswer = HttpAnswer & { by?: Answer | undefined }

interface Call {
  endpoint: string | undefined
  isRequest: boolean
  bytes: number
  deadline: number
  /** The caller was answered; the process has yet to be. */
  abandoned: boolean
  resolve(frame: Frame): void
  reject(error: SelvedgeError): void
}

const sweepMs = 100
const mostBytesInFlight = 4 * limits.binaryBodyBytes
const spareBytes = 1024 ** 3

// Built sources end in .js, and nothing rewrites a name inside a URL.
const entry = fileURLToPath(new URL(`./scorer${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))

// No secret of the front may be in reach of a network's native code; these are what drivers and loaders read.
const passedOn = ['LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'VK_ICD_FILENAMES', 'SystemRoot']

export async function openScorerProcess(options: ScorerProcessOptions): Promise<ScorerProcess> {
  const { runMs, log } = options
  const args = [entry, ...(options.providers ? [options.providers.join(',')] : [])]
  const [command, commandArgs] = await withParentDeath(process.execPath, args)
  // Its stdout is our stderr: ours may be read by a program.
  const child = spawn(command, commandArgs, {
    stdio: ['ignore', 2, 2, 'pipe'],
    cwd: options.cwd,
    env: Object.fromEntries(passedOn.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  })
  const pid = child.pid ?? 0
  const ready = Promise.withResolvers<ExecutionProvider[]>()
  const ended = Promise.withResolvers<Death>()
  ready.promise.catch(() => undefined)

  const calls = new Map<number, Call>()
  const plans = new Map<string, Plan>()
  let lastId = 0
  let bytesInFlight = 0
  let progressAt = 0
  let sweeper: NodeJS.Timeout | undefined
  let limited = false
  let reserved: number | undefined
  let dead = false

  function call<T extends FrameType>(
    type: T,
    meta: FrameMeta[T],
    more: { endpoint?: string; bodies?: readonly Uint8Array[]; spanMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<Frame> {
    const { endpoint, bodies = [], spanMs = runMs, signal } = more
    return new Promise((resolve, reject) => {
      if (dead) return reject(new SelvedgeError('SCORER_DIED', 'the scorer process has ended'))
      if (signal?.aborted) return reject(signal.reason)
      const id = ++lastId
      const now = performance.now()
      const bytes = bodies.reduce((sum, body) => sum + body.length, 0)
      const made: Call = {
        endpoint,
        isRequest: type === 'infer' || type === 'score',
        bytes,
        deadline: now + spanMs,
        abandoned: false,
        resolve,
        reject,
      }
      if (calls.size === 0) progressAt = now
      calls.set(id, made)
      bytesInFlight += bytes
      sweeper ??= setInterval(sweep, sweepMs)
      signal?.addEventListener('abort', () => abandon(id, made, signal.reason), { once: true })
      wire.send(type, id, meta, bodies)
    })
  }

  function settle(id: number, frame: Frame): void {
    const made = calls.get(id)
    if (made === undefined) return
    calls.delete(id)
    bytesInFlight -= made.bytes
    progressAt = performance.now()
    if (frame.type === 'failed') made.reject(decodeError(frame.meta))
    else made.resolve(frame)
  }

  function abandon(id: number, made: Call, reason: SelvedgeError): void {
    if (made.abandoned || !calls.has(id)) return
    made.abandoned = true
    made.reject(reason)
    wire.send('cancel', id, null)
  }

  // One look at all calls each tenth of a second spares every request a timer of its own.
  function sweep(): void {
    const [oldest] = calls.values()
    if (oldest === undefined) {
      clearInterval(sweeper)
      sweeper = undefined
      return
    }
    const now = performance.now()
    for (const [id, made] of calls) {
      if (made.deadline <= now) {
        abandon(id, made, new SelvedgeError('DEADLINE_EXCEEDED', `no answer within ${runMs / 1000} s`))
      }
    }
    const spanMs = [...calls.values()].some((made) => !made.isRequest) ? Math.max(runMs, limits.loadMs) : runMs
    if (now - progressAt >= spanMs) kill(`no progress for ${spanMs / 1000} s`)
  }

  function finish(how: string): void {
    if (dead) return
    dead = true
    clearInterval(sweeper)
    const error = new SelvedgeError('SCORER_DIED', 'the scorer process died while it worked on this request')
    const suspect = [...calls.values()].find((made) => made.endpoint !== undefined)?.endpoint
    for (const made of calls.values()) made.reject(error)
    calls.clear()
    ready.reject(error)
    ended.resolve({ how, suspect })
  }

  function kill(how: string): void {
    child.kill('SIGKILL')
    finish(how)
  }

  async function post(id: number, report: TelemetryReport): Promise<void> {
    try {
      await options.post(report)
      wire.send('posted', id, null)
    } catch (thrown) {
      wire.send('posted', id, encodeError(thrown))
    }
  }

  function receive(frame: Frame): void {
    switch (frame.type) {
      case 'ready':
        log('info', 'scorer ready', { pid, ...frame.meta })
        ready.resolve(frame.meta.present)
        break
      case 'answer':
      case 'done':
      case 'failed':
      case 'counted':
      case 'flushed':
        settle(frame.id, frame)
        break
      case 'report':
        void post(frame.id, frame.meta)
        break
      case 'unsent':
        log('warn', 'report not sent', { code: frame.meta.code, error: frame.meta.message })
        break
    }
  }

  // Only while all that it holds runs on the CPU: WebAssembly and graphics drivers reserve address space that they never
  // touch. What Node has reserved by now differs by gigabytes, so the limit counts from there.
  async function limitMemory(plan: Plan): Promise<void> {
    const [provider] = await ready.promise
    reserved ??= await addressSpaceBytes(pid)
    if (reserved === undefined) return
    const held = [...plans.values(), plan].flatMap(({ deployments }) => deployments)
    const isNative = provider === 'cpu' && held.every(isForCpu)
    const bytes = held.reduce((sum, each) => sum + sizeOf(each), 0)
    limited = (await limitAddressSpace(pid, isNative ? reserved + bytes * 3 + spareBytes : undefined)) && isNative
    if (!limited) log('info', 'no address space limit', { endpoint: plan.endpoint })
  }

  const wire: Wire = openWire(lineOf(child), receive, () => kill('its line closed'))
  child.once('error', (error) => finish(`it could not be started: ${error.message}`))
  child.once('exit', (code, signal) => finish(signal === null ? `it ended with code ${code}` : `${signal}`))

  return {
    pid,
    get busy() {
      return calls.size
    },
    get limited() {
      return limited
    },
    ready: ready.promise,
    ended: ended.promise,
    plan: (endpoint) => plans.get(endpoint),
    holds: (endpoint, deployment) =>
      plans.get(endpoint)?.deployments.some((held) => isSameVersion(held, deployment)) ?? false,
    async serve(plan, loaded) {
      await limitMemory(plan)
      const metas = loaded.map(({ bytes: { network, externalData }, ...rest }) => ({
        ...rest,
        files: [
          { path: '', size: network.length },
          ...externalData.map(({ path, data }) => ({ path, size: data.length })),
        ],
      }))
      const bodies = loaded.flatMap(({ bytes }) => [bytes.network, ...bytes.externalData.map(({ data }) => data)])
      await call('serve', { plan, loaded: metas }, { endpoint: plan.endpoint, bodies, spanMs: limits.loadMs })
      plans.set(plan.endpoint, plan)
    },
    async withdraw(endpoint) {
      plans.delete(endpoint)
      await call('withdraw', { endpoint })
    },
    async ask(type, meta, body, signal) {
      if (bytesInFlight + body.length > mostBytesInFlight) {
        throw new SelvedgeError('QUEUE_FULL', `${bytesInFlight} bytes of requests wait already`)
      }
      const frame = await call(type, meta, { endpoint: meta.endpoint, bodies: [body], signal })
      if (frame.type !== 'answer') throw new SelvedgeError('INTERNAL', `a request was answered by ${frame.type}`)
      return { ...frame.meta, body: frame.body }
    },
    outcome: (meta) => wire.send('outcome', 0, meta),
    async count(endpoint) {
      const frame = await call('count', { endpoint })
      if (frame.type !== 'counted') throw new SelvedgeError('INTERNAL', `counts were answered by ${frame.type}`)
      return frame.meta
    },
    async flush() {
      const frame = await call('flush', null)
      return frame.type === 'flushed' && frame.meta
    },
    kill,
  }
}

function lineOf(child: ChildProcess): Socket {
  // `stdio` has a socketpair as its fourth entry, so there is a Socket.
  return child.stdio[3] as Socket
}

function isForCpu({ variants }: PlanDeployment): boolean {
  return variants.some(({ providers }) => providers.includes('cpu'))
}

function sizeOf(deployment: PlanDeployment): number {
  return deployment.variants.flatMap(({ files }) => files).reduce((sum, { size }) => sum + size, 0)
}

function isSameVersion(a: PlanDeployment, b: PlanDeployment): boolean {
  return a.model === b.model && a.version === b.version && a.manifest === b.manifest && a.spec === b.spec
}
