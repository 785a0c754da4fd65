/** Scope: a token may be limited to some models. For it nothing else exists: not a model, not an endpoint that serves one. */
import type { Context } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv, Caller } from '../http/env.ts'
import { versionsOf } from '../store/deployment.ts'
import type { EndpointState, Store } from '../store/store.ts'
import type { RoutePolicy } from './policy.ts'

export function seesModel(caller: Caller | undefined, model: string): boolean {
  return caller?.models === undefined || caller.models.includes(model)
}

/** An endpoint is seen by whoever sees all that it serves. */
export function seesEndpoint(caller: Caller | undefined, { deployments }: EndpointState): boolean {
  return deployments.flatMap(versionsOf).every(({ model }) => seesModel(caller, model))
}

/** @throws {@link SelvedgeError} `NAME_UNKNOWN`, as for a model that is not there */
export function demandModel(caller: Caller | undefined, model: string): void {
  if (!seesModel(caller, model)) throw new SelvedgeError('NAME_UNKNOWN', `there is no model ${model}`, { model })
}

/**
 * What a route's address names is within the caller's scope. A route that names nothing is refused unless its row says
 * that it heeds the scope by itself.
 *
 * @throws {@link SelvedgeError} `NAME_UNKNOWN`, `ENDPOINT_UNKNOWN`, `FORBIDDEN`
 */
export async function demandScope(c: Context<AppEnv>, caller: Caller, route: RoutePolicy, store: Store): Promise<void> {
  if (caller.models === undefined || route.role === 'open' || route.scoped) return
  const { name, model = name, endpoint } = paramsOf(c)
  if (model !== undefined) return demandModel(caller, model)
  if (endpoint === undefined) {
    throw new SelvedgeError('FORBIDDEN', 'this route is for tokens that are not limited to some models')
  }
  const state = await store.endpoints.endpoint(endpoint)
  if (state === undefined || seesEndpoint(caller, state)) return
  throw new SelvedgeError('ENDPOINT_UNKNOWN', `there is no endpoint ${endpoint}`, { endpoint })
}

// A middleware sees the parameters of its own pattern, which has none: those of the route are at the route's place.
function paramsOf(c: Context<AppEnv>): Record<string, string> {
  const { routeIndex } = c.req
  c.req.routeIndex = c.req.matchedRoutes.findIndex(({ method }) => method !== 'ALL')
  const params = c.req.param()
  c.req.routeIndex = routeIndex
  return params
}
