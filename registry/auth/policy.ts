/**
 * Who may call what: every route of the registry has a row here, and a route without one is refused.
 *
 * The role is the least one. `page` may do no more than its rows say, though every other role may do them too; `open`
 * needs no token.
 */
import type { Context } from 'hono'
import type { Role } from '../../runtime/contract/control.ts'
import { limits } from '../../runtime/limits.ts'
import type { AppEnv } from '../http/env.ts'

export interface RoutePolicy {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  role: Role | 'open'
  /** Pages of other origins call it. */
  crossOrigin?: true
  /** Heeds by itself what a token is limited to, since its address names no model and no endpoint. */
  scoped?: true
  /** Most bytes of its JSON body; absent where it takes none. */
  jsonBytes?: number
  /** The body may come as gzip, of which no more than that is inflated. */
  gzip?: true
}

const json = { jsonBytes: limits.controlBodyBytes }
const crossOrigin = { crossOrigin: true } as const
const scoped = { scoped: true } as const

export const policy: readonly RoutePolicy[] = [
  { method: 'GET', path: '/healthz', role: 'open' },
  { method: 'GET', path: '/readyz', role: 'open' },
  { method: 'GET', path: '/metrics', role: 'reader' },
  { method: 'GET', path: '/openapi.json', role: 'open' },
  { method: 'GET', path: '/docs', role: 'open' },
  { method: 'GET', path: '/', role: 'reader' },
  { method: 'GET', path: '/endpoints/:endpoint/drift', role: 'reader' },
  { method: 'GET', path: '/endpoints/:endpoint/experiment', role: 'reader' },
  { method: 'GET', path: '/runtime/:ort/:file', role: 'open', ...crossOrigin },
  { method: 'GET', path: '/demo', role: 'open' },
  { method: 'GET', path: '/demo/*', role: 'open' },

  { method: 'GET', path: '/v2', role: 'reader', ...scoped },
  { method: 'GET', path: '/v2/', role: 'reader', ...scoped },
  { method: 'GET', path: '/v2/:name{.+}/blobs/:digest', role: 'page', ...crossOrigin },
  { method: 'DELETE', path: '/v2/:name{.+}/blobs/:digest', role: 'writer' },
  { method: 'POST', path: '/v2/:name{.+}/blobs/uploads/', role: 'writer' },
  { method: 'POST', path: '/v2/:name{.+}/blobs/uploads', role: 'writer' },
  { method: 'GET', path: '/v2/:name{.+}/blobs/uploads/:upload', role: 'writer' },
  { method: 'PUT', path: '/v2/:name{.+}/blobs/uploads/:upload', role: 'writer' },
  { method: 'PATCH', path: '/v2/:name{.+}/blobs/uploads/:upload', role: 'writer' },
  { method: 'DELETE', path: '/v2/:name{.+}/blobs/uploads/:upload', role: 'writer' },
  { method: 'GET', path: '/v2/:name{.+}/manifests/:reference', role: 'reader' },
  { method: 'PUT', path: '/v2/:name{.+}/manifests/:reference', role: 'writer' },
  { method: 'DELETE', path: '/v2/:name{.+}/manifests/:reference', role: 'writer' },
  { method: 'GET', path: '/v2/:name{.+}/tags/list', role: 'reader' },
  { method: 'GET', path: '/v2/:name{.+}/referrers/:digest', role: 'reader' },

  { method: 'GET', path: '/api/v1/keys', role: 'open', ...crossOrigin },
  { method: 'GET', path: '/api/v1/models', role: 'reader', ...scoped },
  { method: 'GET', path: '/api/v1/models/:model', role: 'reader' },
  { method: 'DELETE', path: '/api/v1/models/:model', role: 'writer' },
  { method: 'GET', path: '/api/v1/models/:model/versions', role: 'reader' },
  { method: 'GET', path: '/api/v1/models/:model/versions/:version', role: 'reader' },
  { method: 'DELETE', path: '/api/v1/models/:model/versions/:version', role: 'writer' },
  { method: 'GET', path: '/api/v1/models/:model/aliases', role: 'reader' },
  { method: 'GET', path: '/api/v1/models/:model/aliases/:alias', role: 'reader' },
  { method: 'GET', path: '/api/v1/models/:model/aliases/:alias/history', role: 'reader' },
  { method: 'PUT', path: '/api/v1/models/:model/aliases/:alias', role: 'writer', ...json },
  { method: 'DELETE', path: '/api/v1/models/:model/aliases/:alias', role: 'writer' },
  { method: 'GET', path: '/api/v1/endpoints', role: 'reader', ...scoped },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint', role: 'reader' },
  { method: 'PUT', path: '/api/v1/endpoints/:endpoint', role: 'operator', ...json },
  { method: 'DELETE', path: '/api/v1/endpoints/:endpoint', role: 'operator' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/deployments/:deployment', role: 'reader' },
  { method: 'PUT', path: '/api/v1/endpoints/:endpoint/deployments/:deployment', role: 'operator', ...json },
  { method: 'DELETE', path: '/api/v1/endpoints/:endpoint/deployments/:deployment', role: 'operator' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/traffic', role: 'reader' },
  { method: 'PUT', path: '/api/v1/endpoints/:endpoint/traffic', role: 'operator', ...json },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/rollouts', role: 'reader' },
  { method: 'POST', path: '/api/v1/endpoints/:endpoint/rollouts', role: 'operator', ...json },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/rollouts/:rollout', role: 'reader' },
  { method: 'PATCH', path: '/api/v1/endpoints/:endpoint/rollouts/:rollout', role: 'operator', ...json },
  { method: 'POST', path: '/api/v1/endpoints/:endpoint/rollback', role: 'operator', ...json },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/plan', role: 'page', ...crossOrigin },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/profiles', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/hosts', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/shadow', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/experiment', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/experiment.html', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/monitors', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/monitors/:monitor', role: 'reader' },
  { method: 'PUT', path: '/api/v1/endpoints/:endpoint/monitors/:monitor', role: 'operator', ...json },
  { method: 'DELETE', path: '/api/v1/endpoints/:endpoint/monitors/:monitor', role: 'operator' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/monitors/:monitor/report', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/monitors/:monitor/looks', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/alarms', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/drift', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/drift.html', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/export.parquet', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/attribution', role: 'reader' },
  { method: 'GET', path: '/api/v1/endpoints/:endpoint/performance', role: 'reader' },
  { method: 'GET', path: '/api/v1/events', role: 'reader', ...scoped },
  {
    method: 'POST',
    path: '/api/v1/telemetry',
    role: 'page',
    ...crossOrigin,
    ...scoped,
    jsonBytes: limits.telemetryBytes,
    gzip: true,
  },
  { method: 'GET', path: '/api/v1/tokens', role: 'admin' },
  { method: 'POST', path: '/api/v1/tokens', role: 'admin', ...json },
  { method: 'DELETE', path: '/api/v1/tokens/:token', role: 'admin' },
  { method: 'GET', path: '/api/v1/webhooks', role: 'admin' },
  { method: 'POST', path: '/api/v1/webhooks', role: 'admin', ...json },
  { method: 'DELETE', path: '/api/v1/webhooks/:webhook', role: 'admin' },
  { method: 'POST', path: '/api/v1/gc', role: 'admin', ...json },
]

const ranks: Readonly<Record<Role, number>> = { page: 0, reader: 1, writer: 2, operator: 3, admin: 4 }

export function mayCall(role: Role, least: Role): boolean {
  return ranks[role] >= ranks[least]
}

const byRoute = new Map(policy.map((row) => [`${row.method} ${row.path}`, row]))

export function policyOf(method: string, path: string): RoutePolicy | undefined {
  return byRoute.get(`${method} ${path}`)
}

/** The row of the route that will answer this request, found by the route and never by the address as it was written. */
export function routeOf(c: Context<AppEnv>): RoutePolicy | undefined {
  const held = rows.get(c)
  if (held !== undefined) return held
  const route = c.req.matchedRoutes.find(({ method }) => method !== 'ALL')
  const row = route && policyOf(route.method, route.path)
  if (row !== undefined) rows.set(c, row)
  return row
}

/** Every middleware asks. */
const rows = new WeakMap<Context<AppEnv>, RoutePolicy>()
