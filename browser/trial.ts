/**
 * Trial: a version run with some number of threads, in a worker of its own that is ended as soon as it has said how long
 * a run took. Both sides of it.
 */
import { candidatesOf } from '../runtime/delivery/candidates.ts'
import { loadDeployment } from '../runtime/delivery/loader.ts'
import { decodeError, type ErrorMessage, encodeError, SelvedgeError } from '../runtime/errors.ts'
import { tryCandidate } from '../runtime/scoring/choice.ts'
import { openQueue } from '../runtime/scoring/queue.ts'
import { type Build, buildOf } from './builds.ts'
import { trialName } from './protocol.ts'
import { startRuntime } from './runtime.ts'
import { openModelStore } from './store/store.ts'
import type { Subject } from './threads.ts'

export interface TrialTask extends Subject {
  registry: string
  token: string | undefined
  /** The one that the host runs. */
  wasm: Build['wasm']
  threads: number
}

/** What a trial's worker says, behind a first word that it runs. */
export type Said = { said: 'started' } | { said: 'took'; medianMs: number } | { said: 'failed'; error: ErrorMessage }

const trialMs = 30_000
const startMs = 5000

/**
 * @returns median run in ms
 * @throws {@link SelvedgeError} `GOLDEN_MISMATCH`, `DEADLINE_EXCEEDED`, `WORKER_UNAVAILABLE`, what a load throws
 */
export async function measureThreads(task: TrialTask, signal: AbortSignal): Promise<number> {
  const message = `a trial with ${named(task.threads)} took more than ${trialMs / 1000} s`
  const late = new SelvedgeError('DEADLINE_EXCEEDED', message)
  const measure = () =>
    withWorker<number>(late, trialMs, signal, (worker, settle) => {
      worker.postMessage(task)
      return (said) => {
        if (said.said === 'took') settle.resolve(said.medianMs)
        if (said.said === 'failed') settle.reject(decodeError(said.error))
      }
    })
  // Trials of two tabs at once would each show what the other takes.
  return await navigator.locks.request(trialName, { signal }, measure)
}

/** Whether a worker of this one's file starts here, as ONNX Runtime's threads would. */
export async function canStartWorkers(): Promise<boolean> {
  const late = new SelvedgeError('WORKER_UNAVAILABLE', 'a worker did not start')
  const never = new AbortController().signal
  try {
    return await withWorker(late, startMs, never, (_, settle) => () => settle.resolve(true))
  } catch (error) {
    if (error instanceof SelvedgeError && error.code === 'WORKER_UNAVAILABLE') return false
    throw error
  }
}

/** In the worker of a trial. */
export async function runTrial(task: TrialTask): Promise<void> {
  const said = await medianOf(task).then(
    (medianMs): Said => ({ said: 'took', medianMs }),
    (error): Said => ({ said: 'failed', error: encodeError(error) }),
  )
  postMessage(said)
}

async function withWorker<Result>(
  late: SelvedgeError,
  timeoutMs: number,
  signal: AbortSignal,
  use: (
    worker: Worker,
    settle: { resolve(result: Result): void; reject(error: unknown): void },
  ) => (said: Said) => void,
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>()
  const worker = openWorker()
  const abort = () => reject(signal.reason)
  const timer = setTimeout(() => reject(late), timeoutMs)
  signal.addEventListener('abort', abort)
  try {
    const hear = use(worker, { resolve, reject })
    worker.addEventListener('message', ({ data }) => hear(data))
    worker.addEventListener('error', (event) => {
      // Or it would be an error of this worker, and of the page.
      event.preventDefault()
      reject(new SelvedgeError('WORKER_UNAVAILABLE', `the worker of a trial failed: ${event.message || 'not started'}`))
    })
    return await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    worker.terminate()
  }
}

function openWorker(): Worker {
  try {
    return new Worker(self.location.href, { type: 'module', name: trialName })
  } catch (cause) {
    // Trusted Types, as one example.
    throw new SelvedgeError('WORKER_UNAVAILABLE', 'the policy of the page lets no worker start another', {}, { cause })
  }
}

async function medianOf({ registry, token, plan, deployment, variant, wasm, threads }: TrialTask): Promise<number> {
  const { store } = await openModelStore()
  const source = { store, token }
  const gpu = { absent: 'threads are tried on WASM' }
  const runtime = startRuntime({ build: buildOf(wasm), gpu, source, registry, progress: () => undefined })
  runtime.useThreads(threads)
  const loading = loadDeployment(deployment, { ...source, plan, providers: ['wasm'], chosen: variant.id })
  const [openSession, { description, golden, bytes }] = await Promise.all([runtime.session(), loading])
  const [candidate] = candidatesOf({ variants: [variant] }, ['wasm'])
  if (golden === undefined || candidate === undefined) {
    throw new SelvedgeError('INTERNAL', `variant ${variant.id} of ${deployment.name} cannot be tried on WASM`)
  }
  const session = await openSession(bytes, 'wasm')
  const { medianMs, parity } = await tryCandidate(candidate, session, golden, description, openQueue())
  if (medianMs !== undefined) return medianMs
  throw new SelvedgeError('GOLDEN_MISMATCH', `${named(threads)} gave outputs that differ by ${parity.largest}`)
}

function named(threads: number): string {
  return threads === 1 ? 'one thread' : `${threads} threads`
}
