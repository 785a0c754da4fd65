/** Who calls, and whether the route lets them: deny by default. */
import type { Context, MiddlewareHandler } from 'hono'
import type { Role } from '../../runtime/contract/control.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv, Caller, Services } from '../http/env.ts'
import { networkOf } from '../http/network.ts'
import type { Store } from '../store/store.ts'
import { type Guesses, openGuesses } from './guesses.ts'
import { mayCall, routeOf } from './policy.ts'
import { demandScope } from './scope.ts'
import { hashSecret, parseAuthorization, sameHash } from './tokens.ts'

export function authorize(services: Pick<Services, 'store' | 'networks' | 'now'>): MiddlewareHandler<AppEnv> {
  const { store } = services
  const guesses = openGuesses(services.now)
  return async (c, next) => {
    const route = routeOf(c)
    if (route !== undefined) {
      const caller = await identify(c, services, guesses)
      c.set('caller', caller)
      if (route.role !== 'open') demand(caller, route.role)
      if (caller?.models !== undefined) await demandScope(c, caller, route, store)
    } else if (c.req.matchedRoutes.some(({ method }) => method !== 'ALL')) {
      throw new SelvedgeError('FORBIDDEN', 'no role may call this route')
    }
    await next()
  }
}

function demand(caller: Caller | undefined, least: Role): void {
  if (caller === undefined) throw new SelvedgeError('UNAUTHENTICATED', `this route needs a token of role ${least}`)
  if (mayCall(caller.role, least)) return
  throw new SelvedgeError('FORBIDDEN', `this route needs role ${least}, the token has role ${caller.role}`, {
    role: least,
  })
}

async function identify(
  c: Context<AppEnv>,
  services: Pick<Services, 'store' | 'networks'>,
  guesses: Guesses,
): Promise<Caller | undefined> {
  const { store } = services
  const header = c.req.header('authorization')
  if (header !== undefined) {
    const caller = await byToken(header, store)
    if (caller !== undefined) return caller
    const network = networkOf(c, services)
    if (network !== undefined) guesses.wrong(network)
    throw new SelvedgeError('UNAUTHENTICATED', 'this token is unknown or revoked')
  }
  const role = ambientRole(c)
  if (role === undefined) return undefined
  // Page tokens are made for pages: they alone do not lock the operator of this machine out.
  const { page: _, ...others } = await store.tokens.tally()
  return Object.keys(others).length === 0 ? { role } : undefined
}

async function byToken(header: string, store: Store): Promise<Caller | undefined> {
  const hash = hashSecret(parseAuthorization(header))
  const found = await store.tokens.byHash(hash)
  if (found === undefined || !sameHash(found.hash, hash)) return undefined
  return { role: found.role, token: found.id, models: found.models }
}

/**
 * What being on this machine is worth. A web page that the operator happens to look at is on this machine too: a page of
 * a foreign site gets nothing, one of a local development server what a page token gets. Behind a proxy on this machine
 * the whole world is.
 */
function ambientRole(c: Context<AppEnv>): Role | undefined {
  const address = c.env?.incoming?.socket.remoteAddress
  if (address !== undefined && !isLoopback(address)) return undefined
  if (['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) => c.req.header(name) !== undefined))
    return undefined
  const origin = c.req.header('origin')
  if (origin === undefined) return 'admin'
  if (!URL.canParse(origin)) return undefined
  const { host, hostname } = new URL(origin)
  if (host === (c.req.header('host') ?? new URL(c.req.url).host)) return 'admin'
  return isLoopbackName(hostname) ? 'page' : undefined
}

export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

export function isLoopbackName(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}
