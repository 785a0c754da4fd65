/** The names by which the registry may be called: a web page must not reach it by a name of its own (DNS rebinding). */
import { isIP } from 'node:net'
import type { MiddlewareHandler } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import { isLoopbackName } from '../auth/authorize.ts'
import type { AppEnv } from './env.ts'

/** @param names - host names without port that are served besides loopback's and literal addresses */
export function allowHosts(names: readonly string[]): MiddlewareHandler<AppEnv> {
  const allowed = new Set(names.map((name) => name.toLowerCase()))
  let last: string | undefined
  return (c, next) => {
    const header = c.req.header('host') ?? new URL(c.req.url).host
    // Most who call do so by one name.
    if (header === last && hostsIn(c.env?.incoming?.rawHeaders) <= 1) return next()
    const hostname = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/.exec(header)?.[1]?.toLowerCase()
    if (hostname === undefined || hostsIn(c.env?.incoming?.rawHeaders) > 1 || !isAllowed(hostname, allowed)) {
      throw new SelvedgeError('HOST_NOT_ALLOWED', 'the registry is not called by this Host')
    }
    last = header
    return next()
  }
}

function hostsIn(rawHeaders: readonly string[] = []): number {
  let count = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (/^host$/i.test(rawHeaders[i] ?? '')) count++
  return count
}

// A literal address cannot be rebound: there is no name to point elsewhere.
function isAllowed(hostname: string, allowed: ReadonlySet<string>): boolean {
  return isLoopbackName(hostname) || isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || allowed.has(hostname)
}
