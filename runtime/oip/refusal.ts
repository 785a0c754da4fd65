/** Refusals of an inference server as errors: `{"error": "…"}` of the protocol, and our code where the server has one. */
import { type ErrorCode, errorTable, SelvedgeError } from '../errors.ts'

/** What stands for a code where a server sends none, as others than ours do, and proxies before ours. */
const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'INVALID_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  412: 'PRECONDITION_FAILED',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  421: 'HOST_NOT_ALLOWED',
  422: 'RUN_FAILED',
  428: 'PRECONDITION_REQUIRED',
  429: 'TOO_MANY_REQUESTS',
  502: 'NOT_READY',
  503: 'NOT_READY',
  504: 'DEADLINE_EXCEEDED',
  507: 'STORAGE_FULL',
}

export interface Refused {
  status: number
  headers: Headers
  body: Uint8Array
}

/** @returns the server's code and message; `detail.retryAfterMs` where it says when to ask again */
export function refusalOf({ status, headers, body }: Refused): SelvedgeError {
  const code = asCode(headers.get('selvedge-error') ?? '') ?? codeOfStatus(status)
  const retryAfterMs = parseRetryAfter(headers.get('retry-after'))
  const message = messageOf(body) ?? `the server answered with status ${status}`
  return new SelvedgeError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs })
}

export function codeOfStatus(status: number): ErrorCode {
  return codes[status] ?? 'INTERNAL'
}

/** Undefined for a text that is no code of ours. */
export function asCode(text: string): ErrorCode | undefined {
  return Object.hasOwn(errorTable, text) ? (text as ErrorCode) : undefined
}

// RFC 9110, "Retry-After": seconds or a date.
function parseRetryAfter(text: string | null): number | undefined {
  if (text === null) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined
}

function messageOf(body: Uint8Array): string | undefined {
  try {
    const { error } = JSON.parse(new TextDecoder().decode(body)) as { error?: unknown }
    return typeof error === 'string' ? error : undefined
  } catch {
    // A proxy in between answers with a page.
    return undefined
  }
}
