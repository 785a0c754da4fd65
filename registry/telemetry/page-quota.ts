/**
 * How much one network may report with one page token, which anyone can read in a page: past it they wait, and others go on.
 * Reports are cumulative, so that a host that waits loses nothing; new units past their quota are left out.
 */
import type { Context, MiddlewareHandler } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { networkOf } from '../http/network.ts'
import type { RefusalReason } from './check.ts'
import { openQuota } from './quota.ts'

const reason: RefusalReason = 'quota'

/** The page token and the network that a report comes from; undefined for other callers. */
export function pageOf(c: Context<AppEnv>, services: Pick<Services, 'networks'>): string | undefined {
  const caller = c.get('caller')
  if (caller?.role !== 'page') return undefined
  return `${caller.token} ${networkOf(c, services) ?? ''}`
}

/** @throws {@link SelvedgeError} `TOO_MANY_REQUESTS`, before the body is read */
export function reportQuota(services: Pick<Services, 'networks' | 'now' | 'counters'>): MiddlewareHandler<AppEnv> {
  const quota = openQuota(limits.pageReports, services.now)
  return async (c, next) => {
    const page = pageOf(c, services)
    if (page === undefined || quota.take(page, 1) === 1) return await next()
    services.counters.add('reports_refused', { reason })
    throw new SelvedgeError('TOO_MANY_REQUESTS', `more than ${limits.pageReports} reports came from here in a minute`, {
      retryAfterMs: quota.leftMs(),
    })
  }
}
