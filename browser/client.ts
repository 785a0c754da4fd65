/** What a page imports: `connect` gives an endpoint's models, scored in a worker beside the page. */
import { transfer, wrap } from 'comlink'
import type { AnsweredBy, CallOptions, Connection, ConnectOptions, RecordInput, Scored } from '../runtime/connection.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import type { Answer } from '../runtime/scorer.ts'
import type { Tensors } from '../runtime/tensor.ts'
import { openCalls } from './calls.ts'
import { readImages } from './images.ts'
import type { WorkerApi } from './protocol.ts'
import { startWorker } from './start.ts'
import { keepErrorCodes } from './thrown.ts'

export type { CallOptions, Connection, ConnectOptions, Scored } from '../runtime/connection.ts'
export { SelvedgeError } from '../runtime/errors.ts'

const callMs = limits.runMs * 2

/**
 * Connects to an endpoint of a registry: fetches and verifies its plan, loads the models that it names, runs each once.
 *
 * ```ts
 * const digits = await connect('http://localhost:4400', 'digits', { token: 'page_…', key: 'ed25519:…', unit: userId })
 * const { class: digit, scores } = await digits.score({ image: canvas })
 * ```
 *
 * @param registry - base address, without a path
 * @throws {@link SelvedgeError} `INSECURE_CONTEXT` outside https and localhost, `WORKER_UNAVAILABLE`,
 * `REGISTRY_UNREACHABLE`, `UNAUTHENTICATED`, `ENDPOINT_UNKNOWN`, `PLAN_SIGNATURE`, `DIGEST_MISMATCH` and what a model
 * that does not load throws
 */
export async function connect(registry: string, endpoint: string, options: ConnectOptions): Promise<Connection> {
  if (!isSecureContext) {
    throw new SelvedgeError(
      'INSECURE_CONTEXT',
      `${location.origin} is not a secure context, so a plan cannot be verified`,
    )
  }
  keepErrorCodes()
  const base = registry.replace(/\/+$/, '')
  const worker = await startWorker(base)
  const remote = wrap<WorkerApi>(worker)
  const calls = openCalls(
    () => remote.ping(),
    () => worker.terminate(),
  )
  worker.addEventListener('error', (event) => {
    calls.end(new SelvedgeError('WORKER_UNAVAILABLE', `the worker failed: ${event.message}`))
  })

  const open = {
    registry: base,
    endpoint,
    token: options.token,
    keys: typeof options.key === 'string' ? [options.key] : options.key,
    providers: options.providers,
    device: navigator.maxTouchPoints > 1 && screen.width < 900 ? ('mobile' as const) : ('desktop' as const),
  }
  try {
    await calls.wait('connect', () => remote.open(open))
  } catch (error) {
    worker.terminate()
    throw error
  }

  // Hidden is the last moment that a page on a phone is sure to see.
  const reportWhenHidden = () => {
    if (document.visibilityState === 'hidden') void remote.report()
  }
  document.addEventListener('visibilitychange', reportWhenHidden)

  async function scoreAll(records: readonly RecordInput[], unit: string | undefined): Promise<Scored[]> {
    const called = performance.now()
    const read = await readImages(records)
    const { predictions, ...answer } = await calls.wait(
      'score',
      () => remote.score(transfer(read.records, read.bitmaps), unit),
      callMs,
    )
    const by = answeredBy(answer, unit, called)
    return predictions.map((prediction) => ({ ...prediction, ...by }))
  }

  async function score(record: RecordInput, call?: CallOptions): Promise<Scored>
  async function score(records: readonly RecordInput[], call?: CallOptions): Promise<Scored[]>
  async function score(input: RecordInput | readonly RecordInput[], call?: CallOptions): Promise<Scored | Scored[]> {
    const unit = call?.unit ?? options.unit
    if (Array.isArray(input)) return await scoreAll(input, unit)
    const [scored] = await scoreAll([input as RecordInput], unit)
    if (scored === undefined) throw new SelvedgeError('INTERNAL', 'the model gave no prediction for the record')
    return scored
  }

  return {
    score,
    async infer(inputs, call) {
      const unit = call?.unit ?? options.unit
      const called = performance.now()
      const sent = transfer(inputs, buffersOf(inputs))
      const { outputs, ...answer } = await calls.wait('infer', () => remote.infer(sent, unit), callMs)
      return { outputs, ...answeredBy(answer, unit, called) }
    },
    async outcome({ unit }, values) {
      if (unit === undefined) throw new SelvedgeError('INVALID_REQUEST', 'an outcome needs a result scored with a unit')
      await calls.wait('outcome', () => remote.outcome(unit, values), callMs)
    },
    state: () => calls.wait('state', () => remote.state(), callMs),
    report: () => calls.wait('report', () => remote.report(), callMs),
    async close() {
      document.removeEventListener('visibilitychange', reportWhenHidden)
      try {
        await calls.wait('close', () => remote.close(), callMs)
      } finally {
        calls.end(new SelvedgeError('HOST_CLOSED', `the connection to ${endpoint} was closed`))
        worker.terminate()
      }
    },
  }
}

function answeredBy({ queueMs, computeMs, ...answer }: Answer, unit: string | undefined, called: number): AnsweredBy {
  return { ...answer, unit, timings: { queueMs, computeMs, totalMs: performance.now() - called } }
}

function buffersOf(inputs: Tensors): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  for (const { data } of Object.values(inputs)) {
    if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer) buffers.add(data.buffer)
  }
  return [...buffers]
}
