/** Calls to a scorer process that wait for their answer. Each settles: by it, by the caller, at its deadline, or by death. */
import type { Plan } from '../runtime/contract/plan.ts'
import { decodeError, SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import type { Frame } from './protocol.ts'

export interface CallsOptions {
  /** The longest that a run may take, in ms. */
  runMs: number
  /** Tells the process that nobody waits for this call any more. */
  cancel(id: number): void
  /** Told when no call was answered for longer than any may take. */
  stuck(how: string): void
}

export interface CallOptions {
  /** The endpoint of a request. */
  endpoint?: string | undefined
  /** The plan that is loaded. */
  plan?: Plan | undefined
  /** Of its bodies. */
  bytes?: number
  spanMs?: number
  signal?: AbortSignal | undefined
}

export interface Calls {
  readonly size: number
  /** Bodies of calls that wait. */
  readonly bytes: number
  /** What the process works on: the plan that it loads, the endpoint of the oldest request. */
  readonly work: { loading: Plan | undefined; suspect: string | undefined }
  make(send: (id: number) => void, options: CallOptions): Promise<Frame>
  settle(id: number, frame: Frame): void
  /** Settles all that wait; nothing is called after that. */
  end(error: SelvedgeError): void
}

interface Call {
  endpoint: string | undefined
  plan: Plan | undefined
  bytes: number
  spanMs: number
  deadline: number
  /** The caller was answered; the process has yet to be. */
  abandoned: boolean
  resolve(frame: Frame): void
  reject(error: SelvedgeError): void
}

const sweepMs = 100

export function openCalls({ runMs, cancel, stuck }: CallsOptions): Calls {
  const calls = new Map<number, Call>()
  let lastId = 0
  let bytesInFlight = 0
  let progressAt = 0
  let sweeper: NodeJS.Timeout | undefined
  let ended: SelvedgeError | undefined

  function abandon(id: number, call: Call, reason: SelvedgeError): void {
    if (call.abandoned || !calls.has(id)) return
    call.abandoned = true
    call.reject(reason)
    cancel(id)
  }

  // One look at all calls each tenth of a second spares every request a timer of its own.
  function sweep(): void {
    if (calls.size === 0) {
      clearInterval(sweeper)
      sweeper = undefined
      return
    }
    const now = performance.now()
    for (const [id, call] of calls) {
      if (call.deadline <= now) {
        abandon(
          id,
          call,
          new SelvedgeError('DEADLINE_EXCEEDED', `no answer within ${Math.round(call.spanMs) / 1000} s`),
        )
      }
    }
    const spanMs = [...calls.values()].some(({ endpoint }) => endpoint === undefined)
      ? Math.max(runMs, limits.loadMs)
      : runMs
    if (now - progressAt >= spanMs) stuck(`no progress for ${spanMs / 1000} s`)
  }

  return {
    get size() {
      return calls.size
    },
    get bytes() {
      return bytesInFlight
    },
    get work() {
      const waiting = [...calls.values()]
      return {
        loading: waiting.find(({ plan }) => plan !== undefined)?.plan,
        suspect: waiting.find(({ endpoint }) => endpoint !== undefined)?.endpoint,
      }
    },
    make(send, { endpoint, plan, bytes = 0, spanMs = runMs, signal }) {
      return new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended)
        if (signal?.aborted) return reject(signal.reason)
        const id = ++lastId
        const now = performance.now()
        const deadline = now + spanMs
        const call: Call = { endpoint, plan, bytes, spanMs, deadline, abandoned: false, resolve, reject }
        if (calls.size === 0) progressAt = now
        calls.set(id, call)
        bytesInFlight += bytes
        sweeper ??= setInterval(sweep, sweepMs)
        signal?.addEventListener('abort', () => abandon(id, call, signal.reason), { once: true })
        send(id)
      })
    },
    settle(id, frame) {
      const call = calls.get(id)
      if (call === undefined) return
      calls.delete(id)
      bytesInFlight -= call.bytes
      progressAt = performance.now()
      if (frame.type === 'failed') call.reject(decodeError(frame.meta))
      else call.resolve(frame)
    },
    end(error) {
      ended = error
      clearInterval(sweeper)
      for (const call of calls.values()) call.reject(error)
      calls.clear()
    },
  }
}
