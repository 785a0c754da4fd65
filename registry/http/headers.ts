/** Headers that answers have whatever they say: the same for all, and more where pages of other origins call the route. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context, MiddlewareHandler } from 'hono'
import { routeOf } from '../auth/policy.ts'
import type { AppEnv } from './env.ts'

const ofAll = { 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' }

const ofCrossOrigin = {
  ...ofAll,
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'accept-encoding, etag, content-range, content-length, retry-after',
  'cross-origin-resource-policy': 'cross-origin',
  vary: 'Origin, Authorization',
}

export function fixedHeaders(c: Context<AppEnv>): Readonly<Record<string, string>> {
  return routeOf(c)?.crossOrigin ? ofCrossOrigin : ofAll
}

/** Sets them on what goes by way of Hono; what was sent to the socket has them. */
export const setFixedHeaders: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next()
  if (isSent(c)) return
  for (const [name, value] of Object.entries(fixedHeaders(c))) c.res.headers.set(name, value)
}

/** Whether the answer went straight to the socket. */
export function isSent(c: Context<AppEnv>): boolean {
  return c.res === RESPONSE_ALREADY_SENT
}
