/** One scorer process: started, spoken to, and killed when it makes no progress within the deadline. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { Plan, PlanDeployment } from '../runtime/contract/plan.ts'
import type { TelemetryReport } from '../runtime/contract/telemetry.ts'
import type { LoadedDeployment } from '../runtime/delivery/loader.ts'
import { encodeError, SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import { isSameVersion } from '../runtime/plan/plan.ts'
import { withParentDeath } from '../runtime/providers/guard.ts'
import { type CallOptions, openCalls } from './calls.ts'
import type { Log } from './log.ts'
import { openMemoryLimit } from './memory.ts'
import type { Frame, FrameMeta, FrameType, ReportedCounts } from './protocol.ts'
import type { Providers, RequestMeta, ScoredAnswer } from './scoring.ts'
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
  /** The plan that it loaded. */
  loading: Plan | undefined
  /** The endpoint whose request it worked on. */
  suspect: string | undefined
  /** It was killed since it made no progress. */
  isStuck: boolean
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
  /** Those and why the others are not there; undefined until it is ready. */
  readonly providers: Providers | undefined
  readonly ended: Promise<Death>
  /** Behind {@link ScorerProcess.ended}: the system has taken it away. */
  readonly gone: Promise<void>
  /** The plan in force for an endpoint. */
  plan(endpoint: string): Plan | undefined
  holds(endpoint: string, deployment: PlanDeployment): boolean
  /**
   * Loads one plan at a time, in the order of the calls.
   *
   * @throws SelvedgeError what the scorer refused with, `PLAN_REVISION_OLD` where a newer plan is in force
   */
  serve(plan: Plan, loaded: readonly LoadedDeployment[]): Promise<void>
  withdraw(endpoint: string): Promise<void>
  /**
   * @throws SelvedgeError `DEADLINE_EXCEEDED` after `spanMs`, `QUEUE_FULL` where too many bytes wait, `SCORER_DIED`
   */
  ask(
    type: 'infer' | 'score',
    meta: RequestMeta,
    body: readonly Uint8Array[],
    options: AskOptions,
  ): Promise<ScoredAnswer>
  outcome(meta: FrameMeta['outcome']): void
  count(endpoint: string): Promise<ReportedCounts>
  /** False where something could not be posted and waits on. */
  flush(): Promise<boolean>
  kill(how: string): void
}

export interface AskOptions {
  spanMs: number
  signal?: AbortSignal | undefined
}

const mostBytesInFlight = 4 * limits.binaryBodyBytes

export async function openScorerProcess(options: ScorerProcessOptions): Promise<ScorerProcess> {
  const { log } = options
  const child = await spawnScorer(options)
  const pid = child.pid ?? 0
  const ready = Promise.withResolvers<ExecutionProvider[]>()
  let providers: Providers | undefined
  const ended = Promise.withResolvers<Death>()
  ready.promise.catch(() => undefined)

  const plans = new Map<string, Plan>()
  const memory = openMemoryLimit(pid)
  const calls = openCalls({
    runMs: options.runMs,
    cancel: (id) => wire.send('cancel', id, null),
    stuck: (how) => kill(how, true),
  })
  let turn: Promise<unknown> = Promise.resolve()
  let dead = false

  function call<T extends FrameType>(
    type: T,
    meta: FrameMeta[T],
    more: CallOptions = {},
    bodies: readonly Uint8Array[] = [],
  ): Promise<Frame> {
    return calls.make((id) => wire.send(type, id, meta, bodies), { ...more, bytes: bytesOf(bodies) })
  }

  function finish(how: string, isStuck = false): void {
    if (dead) return
    dead = true
    const { work } = calls
    const error = new SelvedgeError('SCORER_DIED', 'the scorer process died while it worked on this request')
    calls.end(error)
    ready.reject(error)
    ended.resolve({ how, isStuck, ...work })
  }

  function kill(how: string, isStuck = false): void {
    child.kill('SIGKILL')
    finish(how, isStuck)
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
        providers = frame.meta
        ready.resolve(frame.meta.present)
        break
      case 'answer':
      case 'done':
      case 'failed':
      case 'counted':
      case 'flushed':
        calls.settle(frame.id, frame)
        break
      case 'report':
        void post(frame.id, frame.meta)
        break
      case 'unsent':
        log('warn', 'report not sent', { code: frame.meta.code, error: frame.meta.message })
        break
    }
  }

  // One after the other: of two plans the newer stays, and a death while one loads is that one's.
  function inTurn(task: () => Promise<void>): Promise<void> {
    const done = turn.then(task)
    turn = done.catch(() => undefined)
    return done
  }

  // What the plan replaces is held until it is in force.
  function heldWith({ endpoint, deployments }: Plan): PlanDeployment[] {
    const held = [...plans.values()].flatMap((plan) =>
      plan.endpoint === endpoint
        ? plan.deployments.filter((each) => !deployments.some((next) => isSameVersion(each, next)))
        : plan.deployments,
    )
    return [...held, ...deployments]
  }

  async function serve(plan: Plan, loaded: readonly LoadedDeployment[]): Promise<void> {
    const held = plans.get(plan.endpoint)
    if (held !== undefined && held.revision > plan.revision) {
      throw new SelvedgeError('PLAN_REVISION_OLD', `revision ${held.revision} of ${plan.endpoint} is in force`)
    }
    const [provider] = await ready.promise
    await memory.fit(provider, heldWith(plan))
    if (!memory.isSet) log('info', 'no address space limit', { endpoint: plan.endpoint })
    const metas = loaded.map(({ bytes: { network, externalData }, ...rest }) => ({
      ...rest,
      files: [
        { path: '', size: network.length },
        ...externalData.map(({ path, data }) => ({ path, size: data.length })),
      ],
    }))
    const bodies = loaded.flatMap(({ bytes }) => [bytes.network, ...bytes.externalData.map(({ data }) => data)])
    await call('serve', { plan, loaded: metas }, { plan, spanMs: limits.loadMs }, bodies)
    plans.set(plan.endpoint, plan)
  }

  const wire: Wire = openWire(lineOf(child), receive, () => kill('its line closed'))
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  child.once('error', (error) => finish(`it could not be started: ${error.message}`))
  child.once('exit', (code, signal) => finish(signal === null ? `it ended with code ${code}` : `${signal}`))

  return {
    pid,
    get busy() {
      return calls.size
    },
    get limited() {
      return memory.isSet
    },
    ready: ready.promise,
    get providers() {
      return providers
    },
    ended: ended.promise,
    gone,
    plan: (endpoint) => plans.get(endpoint),
    holds: (endpoint, deployment) =>
      plans.get(endpoint)?.deployments.some((held) => isSameVersion(held, deployment)) ?? false,
    serve: (plan, loaded) => inTurn(() => serve(plan, loaded)),
    withdraw: (endpoint) =>
      inTurn(async () => {
        plans.delete(endpoint)
        await call('withdraw', { endpoint })
      }),
    async ask(type, meta, body, options) {
      if (calls.bytes + bytesOf(body) > mostBytesInFlight) {
        throw new SelvedgeError('QUEUE_FULL', `${calls.bytes} bytes of requests wait already`)
      }
      const frame = await call(type, meta, { endpoint: meta.endpoint, ...options }, body)
      if (frame.type !== 'answer') throw new SelvedgeError('INTERNAL', `a request was answered by ${frame.type}`)
      return { ...frame.meta, body: frame.body, isAlone: frame.isAlone }
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
    kill: (how) => kill(how),
  }
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}

// Built sources end in .js, and nothing rewrites a name inside a URL.
const entry = fileURLToPath(new URL(`./scorer${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url))

// No secret of the front may be in reach of a network's native code; these are what drivers and loaders read.
const passedOn = ['LD_LIBRARY_PATH', 'CUDA_VISIBLE_DEVICES', 'VK_ICD_FILENAMES', 'SystemRoot']

// Bodies live for one request: with Node's own size of the young generation a busy scorer holds 305 MB, so 208.
const memoryFlags = ['--max-semi-space-size=4']

async function spawnScorer({ cwd, providers }: ScorerProcessOptions): Promise<ChildProcess> {
  const args = [...memoryFlags, entry, ...(providers ? [providers.join(',')] : [])]
  const [command, commandArgs] = await withParentDeath(process.execPath, args)
  return spawn(command, commandArgs, {
    // Its stdout is our stderr: ours may be read by a program.
    stdio: ['ignore', 2, 2, 'pipe'],
    cwd,
    env: Object.fromEntries(passedOn.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []))),
  })
}

function lineOf(child: ChildProcess): Socket {
  // `stdio` has a socketpair as its fourth entry, so there is a Socket.
  return child.stdio[3] as Socket
}
