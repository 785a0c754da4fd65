/** Attempts: one request to an inference server, tried again where that is safe, within one deadline over all tries. */
import { SelvedgeError } from '../errors.ts'
import { refusalOf } from './refusal.ts'
import { openRetryBudget } from './retry-budget.ts'

export interface Sent {
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: Uint8Array<ArrayBuffer>
  deadlineMs: number
  signal?: AbortSignal | undefined
}

export interface Received {
  status: number
  headers: Headers
  body: Uint8Array<ArrayBuffer>
}

export interface Attempts {
  /** @throws SelvedgeError the refusal, `SCORING_UNREACHABLE`, `DEADLINE_EXCEEDED`; the signal's reason */
  send(url: string, sent: Sent): Promise<Received>
  /**
   * One try, whatever its answer says.
   *
   * @throws SelvedgeError `SCORING_UNREACHABLE`, `DEADLINE_EXCEEDED`; the signal's reason
   */
  sendOnce(url: string, sent: Sent): Promise<Received>
}

const mostTries = 4
const firstPauseMs = 50
const longestPauseMs = 2000
/** As many digits as the header has. */
const longestTimeoutMs = 99_999_999

/** What came of a try; without an answer whether none had begun. */
type Outcome = { received: Received } | { error: SelvedgeError; isUnanswered: boolean }

export function openAttempts(): Attempts {
  const budget = openRetryBudget()

  return {
    async send(url, sent) {
      budget.earn()
      const until = performance.now() + sent.deadlineMs
      for (let tries = 1; ; tries++) {
        const outcome = await tryOnce(url, sent, until)
        if ('received' in outcome && outcome.received.status < 300) return outcome.received
        const { error, leastMs } = failureOf(outcome)
        if (leastMs === undefined || tries === mostTries) throw error
        // Spread over the whole span, so that clients that were refused together do not come back together.
        const pauseMs = leastMs + Math.random() * Math.min(firstPauseMs * 2 ** (tries - 1), longestPauseMs)
        if (performance.now() + pauseMs >= until || !budget.take()) throw error
        await pause(pauseMs, sent.signal)
      }
    },
    async sendOnce(url, sent) {
      const outcome = await tryOnce(url, sent, performance.now() + sent.deadlineMs)
      if ('error' in outcome) throw outcome.error
      return outcome.received
    },
  }
}

/** The error, and how long to wait at least where it is safe to try again. */
function failureOf(outcome: Outcome): { error: SelvedgeError; leastMs?: number | undefined } {
  if ('error' in outcome) return { error: outcome.error, leastMs: outcome.isUnanswered ? 0 : undefined }
  const { status } = outcome.received
  const error = refusalOf(outcome.received)
  const { retryAfterMs } = error.detail
  return { error, leastMs: status === 503 && typeof retryAfterMs === 'number' ? retryAfterMs : undefined }
}

async function tryOnce(url: string, { method, body, signal, ...sent }: Sent, until: number): Promise<Outcome> {
  const leftMs = Math.min(Math.max(Math.ceil(until - performance.now()), 1), longestTimeoutMs)
  const deadline = AbortSignal.timeout(leftMs)
  // Tensors in binary form hardly shrink. A page's browser sends its own list in its place.
  const headers = { 'accept-encoding': 'identity', ...sent.headers, 'selvedge-timeout': `${leftMs}m` }
  const init = { method, headers, signal: AbortSignal.any(signal ? [signal, deadline] : [deadline]) }
  let isUnanswered = true
  try {
    const response = await fetch(url, body === undefined ? init : { ...init, body })
    isUnanswered = false
    const answer = new Uint8Array(await response.arrayBuffer())
    return { received: { status: response.status, headers: response.headers, body: answer } }
  } catch (cause) {
    signal?.throwIfAborted()
    if (deadline.aborted) {
      const message = `no answer from ${url} within ${sent.deadlineMs} ms`
      throw new SelvedgeError('DEADLINE_EXCEEDED', message, {}, { cause })
    }
    const error = new SelvedgeError('SCORING_UNREACHABLE', `no answer from ${url}: ${reason(cause)}`, {}, { cause })
    return { error, isUnanswered }
  }
}

// fetch says only "fetch failed"; what happened is its cause.
function reason(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const { code, message } = (thrown.cause ?? {}) as { code?: unknown; message?: unknown }
  const told = [code, message].find((each) => typeof each === 'string' && each !== '')
  return typeof told === 'string' ? told : thrown.message
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', leave)
      resolve()
    }, ms)
    signal?.addEventListener('abort', leave, { once: true })
  })
}
