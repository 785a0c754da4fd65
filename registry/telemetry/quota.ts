/**
 * How many reports one network may send with one page token, which anyone can read in a page: past it they wait, and others
 * go on. Reports are cumulative, so that a host that waits loses nothing.
 */
import type { MiddlewareHandler } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { AppEnv } from '../http/env.ts'
import { networkOf } from '../http/network.ts'
import type { Counters } from '../metrics/counters.ts'
import type { RefusalReason } from './check.ts'

const windowMs = 60_000
const mostCallers = 10_000
const reason: RefusalReason = 'quota'

/** @throws {@link SelvedgeError} `TOO_MANY_REQUESTS`, before the body is read */
export function reportQuota(now: () => number, counters: Counters): MiddlewareHandler<AppEnv> {
  let began = now()
  const counts = new Map<string, number>()
  return async (c, next) => {
    const caller = c.get('caller')
    const address = c.env?.incoming?.socket.remoteAddress
    if (caller?.role !== 'page' || address === undefined) return await next()
    const at = now()
    if (at - began >= windowMs || at < began) {
      began = at
      counts.clear()
    }
    const own = `${caller.token} ${networkOf(address)}`
    // Whoever comes from more networks than that shares one count.
    const key = counts.has(own) || counts.size < mostCallers ? own : 'others'
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    if (count <= limits.pageReports) return await next()
    counters.add('reports_refused', { reason })
    throw new SelvedgeError('TOO_MANY_REQUESTS', `more than ${limits.pageReports} reports came from here in a minute`, {
      retryAfterMs: began + windowMs - at,
    })
  }
}
