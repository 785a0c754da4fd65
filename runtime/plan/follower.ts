/** Following the Plan of one endpoint: long poll, verify, adopt; a lost connection costs latency only. */
import type { Plan } from '../contract/plan.ts'
import { SelvedgeError } from '../errors.ts'
import { asFailure, isSamePlan, openPlanSource, type PlanSourceOptions } from './plan-source.ts'

export interface FollowOptions extends PlanSourceOptions {
  /** The signed plan that this host held when it ended, for a start without network. */
  held?: string | undefined
  /** Told of every failure; the follower goes on by itself. */
  failed(error: SelvedgeError): void
}

export interface Follower {
  /** Settles with the first plan adopted, or rejects with the first failure while none is; following goes on. */
  readonly ready: Promise<void>
  readonly plan: Plan | undefined
  /** When the registry answered last, in ms since 1970. */
  readonly contactAt: number | undefined
  close(): void
}

const firstPauseMs = 500
const longestPauseMs = 30_000

export function followPlan(options: FollowOptions): Follower {
  const stop = new AbortController()
  const source = openPlanSource(options)

  async function follow(first: { resolve(): void; reject(error: SelvedgeError): void }): Promise<void> {
    let pauseMs = firstPauseMs
    while (!stop.signal.aborted) {
      try {
        const before = source.plan
        await source.poll(true, stop.signal)
        if (source.plan !== undefined) first.resolve()
        pauseMs = firstPauseMs
        // A registry holds a poll until there is news; a cache in between may answer at once, for ever.
        if (isSamePlan(source.plan, before)) await pause(firstPauseMs, stop.signal)
      } catch (thrown) {
        if (stop.signal.aborted) return
        const error = asFailure(thrown)
        first.reject(error)
        options.failed(error)
        await pause(pauseMs * (0.75 + Math.random() / 2), stop.signal)
        pauseMs = Math.min(pauseMs * 2, longestPauseMs)
      }
    }
  }

  const ready = new Promise<void>((resolve, reject) => {
    const start = async () => {
      if (options.held !== undefined) {
        await source.adoptHeld(options.held).then(resolve, (thrown) => options.failed(asFailure(thrown)))
      }
      await follow({ resolve, reject })
    }
    void start()
  })
  // Whoever follows for ever may leave `ready` alone; failures reach it through `failed`.
  ready.catch(() => undefined)

  return {
    ready,
    get plan() {
      return source.plan
    },
    get contactAt() {
      return source.contactAt
    },
    close: () => stop.abort(new SelvedgeError('HOST_CLOSED', `following ${options.endpoint} ended`)),
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
