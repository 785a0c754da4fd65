/** Admission: what is refused at once, since it would wait too long or take the place of others. */
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import type { Deaths } from './deaths.ts'
import type { RequestMeta } from './scoring.ts'

export interface AdmissionOptions {
  deaths: Deaths
  /** Processes that answer requests of the endpoint. */
  countOf(endpoint: string): number
  isAdopted(endpoint: string): boolean
  /** How long a request of the endpoint would take now, in ms. */
  expectedMs(endpoint: string): number
}

type Asked = Pick<RequestMeta, 'endpoint' | 'caller' | 'timeoutMs'>

export interface Admission {
  /**
   * @throws {@link SelvedgeError} `NOT_READY` where the endpoint is not loaded or put aside, `QUEUE_FULL` where as many
   * wait as may or its deadline cannot be met, `TOO_MANY_REQUESTS` where its caller fills the queue
   */
  check(asked: Asked): void
  /** Requests of an endpoint that wait or run. */
  waiting(endpoint: string): number
  /** Counts a request while it waits and runs. */
  during<Result>(asked: Asked, task: () => Promise<Result>): Promise<Result>
}

export function openAdmission({ deaths, countOf, isAdopted, expectedMs }: AdmissionOptions): Admission {
  const waiting = new Map<string, number>()
  const byCaller = new Map<string, number>()

  return {
    check(asked) {
      const { endpoint, caller, timeoutMs } = asked
      const asideMs = deaths.asideMs(endpoint)
      if (asideMs > 0) {
        const why = `its requests killed ${deaths.most} scorers within ${deaths.spanMs / 1000} s`
        throw new SelvedgeError('NOT_READY', `endpoint ${endpoint} is disabled: ${why}`, { retryAfterMs: asideMs })
      }
      if (!isAdopted(endpoint)) throw new SelvedgeError('NOT_READY', `endpoint ${endpoint} is not loaded yet`)
      const count = countOf(endpoint)
      const waits = (waiting.get(endpoint) ?? 0) - count
      if (waits >= limits.queueLength) {
        throw new SelvedgeError('QUEUE_FULL', `${waits} requests for ${endpoint} wait already`)
      }
      const own = (caller === undefined ? 0 : (byCaller.get(keyOf(asked)) ?? 0)) - count
      if (own >= limits.callerQueueLength) {
        throw new SelvedgeError('TOO_MANY_REQUESTS', `${own} requests of this caller for ${endpoint} wait already`)
      }
      if (timeoutMs === undefined) return
      const retryAfterMs = expectedMs(endpoint)
      if (retryAfterMs <= timeoutMs) return
      const why = `it would take ${Math.ceil(retryAfterMs)} ms, its deadline is in ${timeoutMs} ms`
      throw new SelvedgeError('QUEUE_FULL', `${endpoint} is busy: ${why}`, { retryAfterMs })
    },
    waiting: (endpoint) => waiting.get(endpoint) ?? 0,
    async during(asked, task) {
      add(waiting, asked.endpoint, 1)
      if (asked.caller !== undefined) add(byCaller, keyOf(asked), 1)
      try {
        return await task()
      } finally {
        add(waiting, asked.endpoint, -1)
        if (asked.caller !== undefined) add(byCaller, keyOf(asked), -1)
      }
    },
  }
}

function keyOf({ endpoint, caller }: Asked): string {
  return `${endpoint} ${caller}`
}

function add(counts: Map<string, number>, key: string, more: number): void {
  const sum = (counts.get(key) ?? 0) + more
  if (sum === 0) counts.delete(key)
  else counts.set(key, sum)
}
