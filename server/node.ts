/** What a Node process imports: `connect` gives an endpoint's models, scored in a child process beside it. */

import { checkOutcome } from '../runtime/assignment/units.ts'
import type { AnsweredBy, CallOptions, Connection, ConnectOptions, RecordInput, Scored } from '../runtime/connection.ts'
import { splitPercent } from '../runtime/connection.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { decodeInferResponse, encodeInferRequest } from '../runtime/oip/infer.ts'
import { refusalOf } from '../runtime/oip/refusal.ts'
import { answeringIn, isExpired } from '../runtime/plan/plan.ts'
import type { Prediction } from '../runtime/tensor/predictions.ts'
import { defaultCacheFolder } from './folder-store.ts'
import { openHost } from './host.ts'
import { log } from './log.ts'
import type { RequestMeta, ScoredAnswer } from './scoring.ts'

export type { Connection, ConnectOptions, Scored } from '../runtime/connection.ts'
export { SelvedgeError } from '../runtime/errors.ts'

export interface NodeConnectOptions extends ConnectOptions {
  /** Folder for model bytes and plans, kept between starts. Default: `selvedge` in the user's cache folder. */
  cacheDir?: string | undefined
}

/**
 * Connects to an endpoint of a registry: fetches and verifies its plan, loads the models that it names, runs each once.
 *
 * ```ts
 * const penguins = await connect('http://localhost:4400', 'penguins', { key: 'ed25519:…' })
 * const { class: species, scores } = await penguins.score({ island: 'Dream', body_mass_g: 3700 })
 * ```
 *
 * A number that is NaN counts as missing, as it does for records that come over HTTP.
 *
 * @param registry - base address, without a path
 * @throws {@link SelvedgeError} `REGISTRY_UNREACHABLE`, `UNAUTHENTICATED`, `ENDPOINT_UNKNOWN`, `PLAN_SIGNATURE`,
 * `DIGEST_MISMATCH` and what a model that does not load throws
 */
export async function connect(registry: string, endpoint: string, options: NodeConnectOptions): Promise<Connection> {
  const host = await openHost({
    registry,
    token: options.token,
    keys: typeof options.key === 'string' ? [options.key] : options.key,
    endpoints: [endpoint],
    scorers: 1,
    standby: false,
    providers: options.providers,
    cacheDir: options.cacheDir ?? defaultCacheFolder(),
    // A library says nothing on its own; what goes wrong is thrown.
    log: (level, event, fields) => {
      if (level === 'error') log(level, event, fields)
    },
  })
  let closed = false
  try {
    await host.adopted(endpoint)
  } catch (error) {
    await host.close()
    throw error
  }

  function checkOpen(): void {
    if (closed) throw new SelvedgeError('HOST_CLOSED', `the connection to ${endpoint} was closed`)
  }

  async function ask(type: 'infer' | 'score', meta: Omit<RequestMeta, 'endpoint'>, body: Uint8Array) {
    checkOpen()
    const called = performance.now()
    const answer = await host.scorers.ask(type, { ...meta, endpoint }, [body])
    if (answer.status !== 200) throw refusalOf({ ...answer, headers: new Headers(answer.headers) })
    return { answer, by: answeredBy(answer, meta.unit, called) }
  }

  async function scoreAll(records: readonly RecordInput[], unit: string | undefined): Promise<Scored[]> {
    const body = new TextEncoder().encode(JSON.stringify({ records }, plainArrays))
    const { answer, by } = await ask('score', { unit, attributes: options.attributes }, body)
    const { predictions } = JSON.parse(new TextDecoder().decode(answer.body)) as { predictions: Prediction[] }
    return predictions.map((prediction) => ({ ...prediction, ...by }))
  }

  async function score(record: RecordInput, call?: CallOptions): Promise<Scored>
  async function score(records: readonly RecordInput[], call?: CallOptions): Promise<Scored[]>
  async function score(input: RecordInput | readonly RecordInput[], call?: CallOptions): Promise<Scored | Scored[]> {
    const unit = call?.unit ?? options.unit
    if (Array.isArray(input)) return input.length === 0 ? [] : await scoreAll(input, unit)
    const [scored] = await scoreAll([input as RecordInput], unit)
    if (scored === undefined) throw new SelvedgeError('INTERNAL', 'the model gave no prediction for the record')
    return scored
  }

  return {
    score,
    async infer(inputs, call) {
      const { body, headerLength } = encodeInferRequest(inputs)
      const meta = { unit: call?.unit ?? options.unit, attributes: options.attributes, headerLength }
      const { answer, by } = await ask('infer', meta, body)
      const length = answer.headers['inference-header-content-length']
      const { outputs } = decodeInferResponse(answer.body, length === undefined ? undefined : Number(length))
      return { outputs, ...by }
    },
    async outcome({ unit }, values) {
      checkOpen()
      if (unit === undefined) throw new SelvedgeError('INVALID_REQUEST', 'an outcome needs a result scored with a unit')
      host.scorers.outcome({ endpoint, unit, values: checkOutcome(values) })
    },
    async state() {
      checkOpen()
      const plan = host.plan(endpoint)
      if (plan === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
      return {
        revision: plan.revision,
        stale: isExpired(plan, Date.now()),
        split: splitPercent(plan.ranges),
        versions: Object.fromEntries(answeringIn(plan).map(({ name, version }) => [name, version])),
        reported: await host.scorers.count(endpoint),
      }
    },
    async report() {
      checkOpen()
      return await host.scorers.flush()
    },
    async close() {
      closed = true
      await host.close()
    },
  }
}

function answeredBy({ by }: ScoredAnswer, unit: string | undefined, called: number): AnsweredBy {
  if (by === undefined) throw new SelvedgeError('INTERNAL', 'an answer does not say who gave it')
  const { queueMs, computeMs, batch: _, ...answer } = by
  return { ...answer, unit, timings: { queueMs, computeMs, totalMs: performance.now() - called } }
}

// The pixels of an image come as bytes, which JSON would write as an object. `this` holds the value from before toJSON,
// which a Buffer has.
function plainArrays(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const original = this[key]
  return ArrayBuffer.isView(original) && !(original instanceof DataView) ? Array.from(original as Uint8Array) : value
}
