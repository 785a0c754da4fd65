/** CORS: what may be asked of the routes that pages of other origins call; they send a token, never cookies. */
import type { Hono, MiddlewareHandler } from 'hono'
import { policyOf } from '../auth/policy.ts'
import type { AppEnv } from './env.ts'

export function crossOrigin(app: Hono<AppEnv>): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (c.req.method !== 'OPTIONS') return await next()
    const wanted = c.req.header('access-control-request-method')
    if (wanted === undefined || !isOpen(app, wanted.toUpperCase(), c.req.path)) return await next()
    return c.body(null, 204, {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': wanted.toUpperCase(),
      'access-control-allow-headers': 'authorization, content-encoding, content-type, if-none-match, range',
      'access-control-max-age': '7200',
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    })
  }
}

function isOpen(app: Hono<AppEnv>, method: string, path: string): boolean {
  const [handlers] = app.router.match(method === 'HEAD' ? 'GET' : method, path)
  const route = handlers.map(([[, matched]]) => matched).find((matched) => matched.method !== 'ALL')
  return route !== undefined && policyOf(route.method, route.path)?.crossOrigin === true
}
