/** OipClient: a client of inference servers (Open Inference Protocol v2) that moves tensors in binary form. */
import { z } from 'zod'
import type { Attributes } from '../contract/audience.ts'
import { datatype } from '../contract/datatype.ts'
import { type Feature, feature } from '../contract/description.ts'
import { SelvedgeError } from '../errors.ts'
import type { Prediction } from '../tensor/predictions.ts'
import type { Tensors } from '../tensor/tensor.ts'
import { openAttempts, type Received } from './attempts.ts'
import { decodeInferResponse, encodeInferRequest } from './infer.ts'
import { parseJson } from './json-text.ts'
import { parseMessage } from './message.ts'
import { refusalOf } from './refusal.ts'

export { SelvedgeError } from '../errors.ts'

export interface OipClientOptions {
  /** Sent as `Authorization: Bearer`. */
  token?: string | undefined
  /** For calls that name none, in ms. Default 30,000. */
  deadlineMs?: number | undefined
}

export interface OipCallOptions {
  /** A version that the server has loaded; its own choice where absent. */
  version?: number | undefined
  /** For all tries together, in ms. */
  deadlineMs?: number | undefined
  signal?: AbortSignal | undefined
}

export interface OipScoreOptions extends OipCallOptions {
  /** Whom an experiment counts: Selvedge gives the same unit the same deployment. */
  unit?: string | undefined
  /** What an audience of Selvedge asks of the one whom it scores for. */
  attributes?: Attributes | undefined
}

export interface OipInferOptions extends OipScoreOptions {
  /** Names of outputs; all where absent. */
  outputs?: readonly string[] | undefined
}

/** Who answered; `deployment` and `provider` where the server is a Selvedge. */
export interface OipAnsweredBy {
  model: string
  version: string | undefined
  deployment: string | undefined
  provider: string | undefined
}

export interface OipModel {
  name: string
  versions?: string[] | undefined
  platform: string
  /** -1 is a free size. */
  inputs: { name: string; datatype: z.infer<typeof datatype>; shape: number[] }[]
  outputs: { name: string; datatype: z.infer<typeof datatype>; shape: number[] }[]
  /** What `score` takes, where the server is a Selvedge and the model has features. */
  features?: Feature[] | undefined
}

/**
 * Every method throws {@link SelvedgeError} with the server's own code (`selvedge-error`; one that fits the status where
 * it sends none), `SCORING_UNREACHABLE`, `DEADLINE_EXCEEDED`, or the reason of its signal.
 *
 * A request is sent again, at most three times, where no answer came (refused, reset) and where a 503 says when to
 * (`Retry-After`): at a random moment behind that, within the deadline, and at most one request in ten beside ten saved
 * ones, so that clients do not keep a server down. That is safe for answers: scoring changes nothing. It is not exact for
 * counts: a server that had run a request whose answer was lost counts its rows twice.
 */
export interface OipClient {
  infer(model: string, inputs: Tensors, options?: OipInferOptions): Promise<OipAnsweredBy & { outputs: Tensors }>
  /** Records of features in, a prediction each, in order: Selvedge's own route. */
  score(
    model: string,
    records: readonly Readonly<Record<string, unknown>>[],
    options?: OipScoreOptions,
  ): Promise<OipAnsweredBy & { predictions: Prediction[] }>
  metadata(model: string, options?: OipCallOptions): Promise<OipModel>
  /** Whether a model, or without one the server, can take requests; asked for once. */
  ready(model?: string, options?: OipCallOptions): Promise<boolean>
}

/**
 * ```ts
 * const client = openOipClient('http://localhost:4401')
 * const x = createTensor('FP32', [1, 4], Float32Array.of(5.1, 3.5, 1.4, 0.2))
 * const { outputs } = await client.infer('iris', { x }, { deadlineMs: 250 })
 * ```
 *
 * @param base - address of the server, without `/v2`
 * @throws {@link SelvedgeError} `INVALID_REQUEST` where that is no http or https address
 */
export function openOipClient(base: string, options: OipClientOptions = {}): OipClient {
  const { token, deadlineMs: longestMs = 30_000 } = options
  const root = parseBase(base)
  const attempts = openAttempts()
  const authorization = token === undefined ? {} : { authorization: headerText('token', `Bearer ${token}`) }

  function urlOf(model: string, version: number | undefined, action: string): string {
    const pinned = version === undefined ? '' : `/versions/${version}`
    return `${root}v2/models/${encodeURIComponent(model)}${pinned}${action}`
  }

  async function get(url: string, { deadlineMs = longestMs, signal }: OipCallOptions): Promise<Received> {
    return await attempts.send(url, { method: 'GET', headers: authorization, deadlineMs, signal })
  }

  async function post(
    url: string,
    body: Uint8Array<ArrayBuffer>,
    headers: Record<string, string>,
    { unit, attributes, deadlineMs = longestMs, signal }: OipScoreOptions,
  ): Promise<Received> {
    const all = {
      ...authorization,
      ...(unit !== undefined && { 'selvedge-unit': headerText('unit', unit) }),
      ...(attributes !== undefined && { 'selvedge-attributes': headerText('attributes', JSON.stringify(attributes)) }),
      ...headers,
    }
    return await attempts.send(url, { method: 'POST', headers: all, body, deadlineMs, signal })
  }

  return {
    async infer(model, inputs, call = {}) {
      const { body, headerLength } = encodeInferRequest(inputs, call.outputs)
      const binary = {
        'content-type': 'application/octet-stream',
        'inference-header-content-length': `${headerLength}`,
      }
      const headers = headerLength === undefined ? json : binary
      const received = await post(urlOf(model, call.version, '/infer'), body, headers, call)
      const length = received.headers.get('inference-header-content-length')
      const answer = answered(() => decodeInferResponse(received.body, length === null ? undefined : Number(length)))
      return { ...answeredBy(received, answer.model, answer.version), outputs: answer.outputs }
    },
    async score(model, records, call = {}) {
      const body = new TextEncoder().encode(JSON.stringify({ records }))
      const received = await post(urlOf(model, call.version, '/score'), body, json, call)
      const answer = answered(() => parseMessage(scored, parseJson(received.body)))
      return { ...answeredBy(received, answer.model_name, answer.model_version), predictions: answer.predictions }
    },
    async metadata(model, call = {}) {
      const { body } = await get(urlOf(model, call.version, ''), call)
      return answered(() => parseMessage(metadata, parseJson(body)))
    },
    async ready(model, { version, deadlineMs = longestMs, signal } = {}) {
      const url = model === undefined ? `${root}v2/health/ready` : urlOf(model, version, '/ready')
      const received = await attempts.sendOnce(url, { method: 'GET', headers: authorization, deadlineMs, signal })
      if (received.status === 200) return true
      // Servers say it in one of two ways.
      if (received.status === 503 || received.status === 400) return false
      throw refusalOf(received)
    },
  }
}

const json = { 'content-type': 'application/json' }

const scored = z.object({
  model_name: z.string(),
  model_version: z.string(),
  predictions: z.array(
    z.union([
      z.object({ class: z.string(), scores: z.record(z.string(), z.number()) }),
      z.object({ value: z.number() }),
    ]),
  ),
})

const tensors = z.array(z.object({ name: z.string(), datatype, shape: z.array(z.int()) }))

const metadata = z.object({
  name: z.string(),
  versions: z.array(z.string()).optional(),
  platform: z.string(),
  inputs: tensors,
  outputs: tensors,
  features: z.array(feature).optional(),
})

function parseBase(base: string): string {
  try {
    const { href } = new URL(base)
    if (/^https?:/.test(href)) return href.endsWith('/') ? href : `${href}/`
  } catch {
    // Said below.
  }
  throw new SelvedgeError('INVALID_REQUEST', `base: got "${base}", want an http or https address`)
}

// Header values are bytes; text goes as UTF-8.
function headerText(what: string, text: string): string {
  if (/[\0\r\n]/.test(text)) throw new SelvedgeError('INVALID_REQUEST', `${what}: it has a line break or a zero`)
  return String.fromCharCode(...new TextEncoder().encode(text))
}

// What a server gets wrong is not what its caller got wrong.
function answered<T>(decode: () => T): T {
  try {
    return decode()
  } catch (cause) {
    const why = cause instanceof SelvedgeError ? cause.message : 'it cannot be read'
    throw new SelvedgeError('SCORING_UNREACHABLE', `the answer is not of the protocol: ${why}`, {}, { cause })
  }
}

function answeredBy({ headers }: Received, model: string, version: string | undefined): OipAnsweredBy {
  const read = (name: string) => headers.get(name) ?? undefined
  return { model, version, deployment: read('selvedge-deployment'), provider: read('selvedge-provider') }
}
