/** An HTTP answer of the scoring plane as values, and the errors of the Open Inference Protocol among them. */
import { encodeError, errorTable } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'

export interface HttpAnswer {
  status: number
  headers: Record<string, string>
  body: Uint8Array
  /** Nothing lies beside the body in its buffer, which nobody needs once it is sent. */
  isAlone?: boolean | undefined
}

export function jsonAnswer(value: unknown, status = 200): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: encoder.encode(JSON.stringify(value)) }
}

/**
 * `{"error": "…"}` as the protocol wants it and nothing beside it; the stable code goes into `selvedge-error`. What says
 * "again later" carries `retry-after` in seconds: `detail.retryAfterMs`, or one second.
 */
export function errorAnswer(thrown: unknown): HttpAnswer {
  const { code, message, detail } = encodeError(thrown)
  const [status] = errorTable[code]
  const answer = jsonAnswer({ error: message }, status)
  answer.headers['selvedge-error'] = code
  if (status === 503 || status === 429) {
    const { retryAfterMs } = detail
    answer.headers['retry-after'] = String(typeof retryAfterMs === 'number' ? Math.ceil(retryAfterMs / 1000) : 1)
  }
  return answer
}

/** The most bytes of a body: JSON is the cheapest way to cost a server time, so large tensors go in binary form. */
export function bodyLimitBytes(headerLength: number | undefined): number {
  return headerLength === undefined ? limits.jsonBodyBytes : limits.binaryBodyBytes
}

const encoder = new TextEncoder()
