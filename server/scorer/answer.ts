/** From the body of a request to the answer: decode, score, encode. Runs wherever the models are. */
import { z } from 'zod'
import type { Description } from '../../runtime/contract/description.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { classify } from '../../runtime/oip/classification.ts'
import { decodeInferRequest, encodeInferResponse } from '../../runtime/oip/infer.ts'
import { parseJson } from '../../runtime/oip/json-text.ts'
import { parseMessage } from '../../runtime/oip/message.ts'
import type { Answer, Scorer } from '../../runtime/scoring/scorer.ts'
import { bodyLimitBytes, type HttpAnswer, jsonAnswer } from '../http-answer.ts'
import type { RequestMeta, ScoredAnswer } from '../scoring.ts'
import { deflate } from './deflate.ts'
import { inflate } from './inflate.ts'

/**
 * `POST …/infer`.
 *
 * @throws SelvedgeError whatever the codec, the scorer and the network refuse with
 */
export async function answerInfer(
  scorer: Scorer,
  meta: RequestMeta,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<ScoredAnswer> {
  const { headerLength } = meta
  if (headerLength !== undefined && headerLength > limits.jsonBodyBytes) {
    throw new SelvedgeError(
      'BODY_TOO_LARGE',
      `the JSON part has ${headerLength} bytes, at most ${limits.jsonBodyBytes}`,
    )
  }
  const began = performance.now()
  const plain = await inflated(meta, body)
  const chosen = scorer.choose(meta)
  const { description } = chosen
  const request = decodeInferRequest(plain, headerLength, () => description.inputs)
  const unknown = request.outputs?.find((name) => !description.outputs.some((output) => output.name === name))
  if (unknown !== undefined) {
    const names = description.outputs.map((output) => `"${output.name}"`).join(', ')
    throw new SelvedgeError('INVALID_REQUEST', `no output "${unknown}"; the outputs are ${names}`, { output: unknown })
  }
  const timeoutMs = leastOf(request.timeoutMs, meta.timeoutMs)
  const decoded = performance.now()
  const { outputs, ...by } = await scorer.infer({ ...request, timeoutMs, signal }, chosen)
  const scored = performance.now()
  for (const [name, count] of Object.entries(request.classification)) {
    const tensor = outputs[name]
    if (tensor !== undefined) outputs[name] = classify(tensor, count, labelsOf(description, name))
  }
  const { body: answer, headerLength: answerHeader } = encodeInferResponse({
    model: meta.endpoint,
    version: by.version,
    outputs,
    request,
  })
  const headers = answerHeaders(by)
  headers['content-type'] = answerHeader === undefined ? 'application/json' : 'application/octet-stream'
  if (answerHeader !== undefined) headers['inference-header-content-length'] = String(answerHeader)
  const answered = await encoded({ status: 200, headers, body: answer }, meta)
  return { ...answered, by, codec: { decodeMs: decoded - began, encodeMs: performance.now() - scored } }
}

function leastOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)
}

function labelsOf({ output }: Description, tensor: string): readonly string[] | undefined {
  return output?.kind === 'classification' && output.tensor === tensor ? output.classes : undefined
}

/**
 * `POST …/score`: `{"records": [{feature: value}]}` in, `{"model_name", "model_version", "predictions": […]}` out, a
 * prediction a record, in order: `{"class", "scores"}` or `{"value"}`.
 *
 * @throws SelvedgeError whatever the codec, the scorer and the network refuse with
 */
export async function answerScore(
  scorer: Scorer,
  meta: RequestMeta,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<ScoredAnswer> {
  const began = performance.now()
  const records = parseRecords(await inflated(meta, body))
  const chosen = scorer.choose(meta)
  const decoded = performance.now()
  const { predictions, ...by } = await scorer.score({ records, timeoutMs: meta.timeoutMs, signal }, chosen)
  const scored = performance.now()
  const answer = jsonAnswer({ model_name: meta.endpoint, model_version: String(by.version), predictions })
  const answered = await encoded({ ...answer, headers: { ...answer.headers, ...answerHeaders(by) } }, meta)
  return { ...answered, by, codec: { decodeMs: decoded - began, encodeMs: performance.now() - scored } }
}

// Not z.record, which takes seconds for as many numbers as a body holds.
const scoreBody = z.strictObject({ records: z.array(z.unknown()).min(1) })

function parseRecords(body: Uint8Array): readonly Readonly<Record<string, unknown>>[] {
  const { records } = parseMessage(scoreBody, parseJson(body))
  const wrong = records.findIndex((each) => typeof each !== 'object' || each === null || Array.isArray(each))
  if (wrong < 0) return records as Record<string, unknown>[]
  throw new SelvedgeError('INVALID_REQUEST', `records.${wrong}: want an object of features`, {
    field: `records.${wrong}`,
  })
}

async function encoded(answer: HttpAnswer, { accepts }: RequestMeta): Promise<HttpAnswer> {
  const body = await deflate(answer.body, accepts)
  // The length of the JSON part is that of the body before it was compressed.
  return body === undefined || accepts === undefined
    ? answer
    : { ...answer, headers: { ...answer.headers, 'content-encoding': accepts }, body }
}

async function inflated({ encoding, headerLength }: RequestMeta, body: Uint8Array): Promise<Uint8Array> {
  return encoding === undefined ? body : await inflate(body, encoding, bodyLimitBytes(headerLength))
}

function answerHeaders({ deployment, version, provider, queueMs, computeMs }: Answer): Record<string, string> {
  return {
    'selvedge-deployment': deployment,
    'selvedge-version': String(version),
    'selvedge-provider': provider,
    // W3C Server Timing: browsers show it beside the request.
    'server-timing': `queue;dur=${queueMs.toFixed(3)}, compute;dur=${computeMs.toFixed(3)}`,
  }
}
