/**
 * How much one network may report with one page token, which anyone can read in a page: past it they wait, and others go on.
 * Reports are cumulative, so that a host that waits loses nothing; new units past their quota are left out.
 */
import type { Context, MiddlewareHandler } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { AppEnv } from '../http/env.ts'
import { networkOf } from '../http/network.ts'
import type { Counters } from '../metrics/counters.ts'
import type { RefusalReason } from './check.ts'

const windowMs = 60_000
const mostCallers = 10_000
const reason: RefusalReason = 'quota'

/** Counts by name that begin anew with each minute. */
export interface Quota {
  /** How many of them are within the quota. */
  take(name: string, wanted: number): number
  /** Until it begins anew. */
  leftMs(): number
}

export function openQuota(most: number, now: () => number): Quota {
  let began = now()
  const counts = new Map<string, number>()
  function start(): void {
    const at = now()
    if (at - began < windowMs && at >= began) return
    began = at
    counts.clear()
  }
  return {
    take(name, wanted) {
      start()
      // Whoever comes by more names than that shares one count.
      const key = counts.has(name) || counts.size < mostCallers ? name : 'others'
      const taken = Math.min(wanted, most - (counts.get(key) ?? 0))
      counts.set(key, (counts.get(key) ?? 0) + taken)
      return taken
    },
    leftMs: () => began + windowMs - now(),
  }
}

/** The page token and the network that a report comes from; undefined for other callers. */
export function pageOf(c: Context<AppEnv>): string | undefined {
  const caller = c.get('caller')
  if (caller?.role !== 'page') return undefined
  const address = c.env?.incoming?.socket.remoteAddress
  return `${caller.token} ${address === undefined ? '' : networkOf(address)}`
}

/** @throws {@link SelvedgeError} `TOO_MANY_REQUESTS`, before the body is read */
export function reportQuota(now: () => number, counters: Counters): MiddlewareHandler<AppEnv> {
  const quota = openQuota(limits.pageReports, now)
  return async (c, next) => {
    const page = pageOf(c)
    if (page === undefined || quota.take(page, 1) === 1) return await next()
    counters.add('reports_refused', { reason })
    throw new SelvedgeError('TOO_MANY_REQUESTS', `more than ${limits.pageReports} reports came from here in a minute`, {
      retryAfterMs: quota.leftMs(),
    })
  }
}
