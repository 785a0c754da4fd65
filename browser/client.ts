/** What a page imports: `connect` gives an endpoint's models, scored in a worker beside the page. */
import type { AnsweredBy, CallOptions, Connection, ConnectOptions, RecordInput, Scored } from '../runtime/connection.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import type { Answer } from '../runtime/scoring/scorer.ts'
import type { Tensors } from '../runtime/tensor/tensor.ts'
import { copyImages } from './images.ts'
import type { ConnectionEvent, Draft, Progress } from './protocol.ts'
import { openSupervised } from './supervised.ts'
import { openBuffers } from './transfer.ts'

export type { CallOptions, Connection, ConnectOptions, Scored } from '../runtime/connection.ts'
export { SelvedgeError } from '../runtime/errors.ts'
export type { ConnectionEvent, Progress } from './protocol.ts'

export interface PageConnectOptions extends ConnectOptions {
  /** Told how far the load is, from the plan to the first run. */
  onProgress?: (progress: Progress) => void
  /** Told what befell the host: a lost device and its return, a provider that fails parity, a worker started again. */
  onEvent?: (event: ConnectionEvent) => void
  /** Ends a load; the connection is then refused with the signal's reason. */
  signal?: AbortSignal
}

export interface PageConnection extends Connection {
  /**
   * Destroys the WebGPU device, as a driver's reset does: to see what an application does then.
   *
   * @throws {@link SelvedgeError} `PROVIDER_UNAVAILABLE` where there is none
   */
  rehearseDeviceLoss(): Promise<void>
}

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
export async function connect(
  registry: string,
  endpoint: string,
  options: PageConnectOptions,
): Promise<PageConnection> {
  if (!isSecureContext) {
    throw new SelvedgeError(
      'INSECURE_CONTEXT',
      `${location.origin} is not a secure context, so a plan cannot be verified`,
    )
  }
  let draft: Draft | undefined
  const worker = await openSupervised(
    {
      registry: registry.replace(/\/+$/, ''),
      endpoint,
      token: options.token,
      attributes: options.attributes,
      keys: typeof options.key === 'string' ? [options.key] : options.key,
      providers: options.providers,
      device: navigator.maxTouchPoints > 1 && screen.width < 900 ? 'mobile' : 'desktop',
    },
    {
      progress: options.onProgress,
      event: options.onEvent,
      draft: (last) => {
        draft = last
      },
      signal: options.signal,
    },
  )

  const buffers = openBuffers()

  // Hidden is the last moment that a page on a phone is sure to see.
  const reportWhenHidden = () => {
    if (document.visibilityState !== 'hidden' || draft === undefined) return
    fetch(...draft).catch(() => undefined)
    draft = undefined
  }
  document.addEventListener('visibilitychange', reportWhenHidden)

  async function scoreAll(records: readonly RecordInput[], unit: string | undefined): Promise<Scored[]> {
    if (records.length === 0) return []
    const called = performance.now()
    const images = await copyImages(records)
    try {
      const { predictions, ...answer } = await worker.call('score', (remote) => remote.score(images.records, unit))
      const by = answeredBy(answer, unit, called)
      return predictions.map((prediction) => ({ ...prediction, ...by }))
    } finally {
      for (const bitmap of images.bitmaps) bitmap.close()
    }
  }

  async function score(record: RecordInput, call?: CallOptions): Promise<Scored>
  async function score(records: readonly RecordInput[], call?: CallOptions): Promise<Scored[]>
  async function score(input: RecordInput | readonly RecordInput[], call?: CallOptions): Promise<Scored | Scored[]> {
    const unit = call?.unit ?? options.unit
    if (Array.isArray(input)) return await scoreAll(input, unit)
    const [scored] = await scoreAll([input as RecordInput], unit)
    if (scored === undefined) throw new SelvedgeError('INTERNAL', 'no prediction came for the record')
    return scored
  }

  return {
    score,
    async infer(inputs: Tensors, call?: CallOptions) {
      const unit = call?.unit ?? options.unit
      const called = performance.now()
      const { outputs, spent, ...answer } = await worker.call('infer', (remote) =>
        remote.infer(buffers.copy(inputs), unit),
      )
      buffers.keep(spent)
      return { outputs, ...answeredBy(answer, unit, called) }
    },
    async outcome({ unit }, values) {
      if (unit === undefined) throw new SelvedgeError('INVALID_REQUEST', 'an outcome needs a result scored with a unit')
      await worker.call('outcome', (remote) => remote.outcome(unit, values))
    },
    state: () => worker.call('state', (remote) => remote.state()),
    report: () => worker.call('report', (remote) => remote.report()),
    rehearseDeviceLoss: () => worker.call('rehearseDeviceLoss', (remote) => remote.destroyDevice()),
    async close() {
      document.removeEventListener('visibilitychange', reportWhenHidden)
      await worker.close()
    },
  }
}

function answeredBy(
  { queueMs, computeMs, batch: _, ...answer }: Answer,
  unit: string | undefined,
  called: number,
): AnsweredBy {
  return { ...answer, unit, timings: { queueMs, computeMs, totalMs: performance.now() - called } }
}
