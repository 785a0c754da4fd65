/** The registry as one HTTP app: limits, auth, routes. */
import { OpenAPIHono } from '@hono/zod-openapi'
import { SelvedgeError } from '../runtime/errors.ts'
import { type Assets, assetRoutes } from './assets/routes.ts'
import { authorize } from './auth/authorize.ts'
import { policy } from './auth/policy.ts'
import { tokenRoutes } from './auth/routes.ts'
import { consoleRoutes } from './console/routes.ts'
import { docsRoutes } from './docs/routes.ts'
import { driftPageRoutes } from './drift-page/routes.ts'
import { planRoutes } from './endpoints/plan-routes.ts'
import { endpointRoutes } from './endpoints/routes.ts'
import { eventRoutes } from './events/routes.ts'
import { experimentRoutes } from './experiment/routes.ts'
import { exportRoutes } from './export/routes.ts'
import { garbageRoutes } from './garbage/routes.ts'
import { jsonBody } from './http/body.ts'
import { crossOrigin } from './http/cross-origin.ts'
import type { AppEnv, Services } from './http/env.ts'
import { invalidRequest, isOci, renderError } from './http/errors.ts'
import { setFixedHeaders } from './http/headers.ts'
import { allowHosts } from './http/hosts.ts'
import { openRouter } from './http/router.ts'
import { countRequests, metricsRoutes } from './metrics/routes.ts'
import { aliasRoutes } from './models/alias-routes.ts'
import { removalRoutes } from './models/removal-routes.ts'
import { modelRoutes } from './models/routes.ts'
import { performanceRoutes } from './monitor/performance-routes.ts'
import { monitorRoutes } from './monitor/routes.ts'
import { blobRoutes } from './oci/blob-routes.ts'
import { manifestRoutes } from './oci/manifest-routes.ts'
import { referrerRoutes } from './oci/referrer-routes.ts'
import { uploadRoutes } from './oci/upload-routes.ts'
import { rolloutRoutes } from './rollouts/routes.ts'
import { reportQuota } from './telemetry/page-quota.ts'
import { telemetryRoutes } from './telemetry/routes.ts'
import { webhookRoutes } from './webhooks/routes.ts'

export interface AppOptions {
  services: Services
  assets: Assets
  /** Host names by which the registry is called, besides loopback's and literal addresses. */
  hostNames: readonly string[]
}

export type App = OpenAPIHono<AppEnv>

export function createApp({ services, assets, hostNames }: AppOptions): App {
  const app: App = new OpenAPIHono<AppEnv>({
    router: openRouter(),
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.target, result.error)
    },
  })
  app.onError((thrown, c) => renderError(thrown, c, services.log))
  app.notFound((c) => renderError(notFound(app, c.req.method, c.req.path), c, services.log))

  app.use('*', countRequests(services.counters))
  app.use('*', setFixedHeaders)
  app.use('*', allowHosts(hostNames))
  app.use('*', crossOrigin(app))
  app.use('*', authorize(services))
  app.use('/api/v1/telemetry', reportQuota(services))
  app.use('*', jsonBody)

  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    await services.store.tokens.tally()
    return c.json({ status: 'ok' })
  })
  for (const path of ['/v2', '/v2/'] as const) app.get(path, (c) => c.json({}))
  blobRoutes(app, services)
  uploadRoutes(app, services)
  manifestRoutes(app, services)
  referrerRoutes(app, services)
  modelRoutes(app, services)
  removalRoutes(app, services)
  aliasRoutes(app, services)
  endpointRoutes(app, services)
  planRoutes(app, services)
  telemetryRoutes(app, services)
  monitorRoutes(app, services)
  driftPageRoutes(app, services)
  exportRoutes(app, services)
  performanceRoutes(app, services)
  rolloutRoutes(app, services)
  experimentRoutes(app, services)
  eventRoutes(app, services)
  tokenRoutes(app, services)
  webhookRoutes(app, services)
  garbageRoutes(app, services)
  consoleRoutes(app, services, assets)
  metricsRoutes(app, services)
  docsRoutes(app)
  assetRoutes(app, assets)
  return app
}

function notFound(app: App, method: string, path: string): SelvedgeError {
  const others = [...new Set(policy.map((row) => row.method))].filter((other) => isRoute(app, other, path))
  if (others.length > 0) {
    const allow = others.flatMap((other) => (other === 'GET' ? ['GET', 'HEAD'] : [other])).join(', ')
    return new SelvedgeError('METHOD_NOT_ALLOWED', `${method} is not offered here, but ${allow}`, { allow })
  }
  // An empty or dotted name vanishes from an address before any route sees it.
  if (isOci(path) && /\/(blobs|manifests|tags|referrers)(\/|$)/.test(path)) {
    return new SelvedgeError('NAME_INVALID', 'this address has no name of a repository')
  }
  return new SelvedgeError('NOT_FOUND', 'there is nothing at this address')
}

function isRoute(app: App, method: string, path: string): boolean {
  const [handlers] = app.router.match(method, path)
  return handlers.some(([[, route]]) => route.method !== 'ALL')
}
