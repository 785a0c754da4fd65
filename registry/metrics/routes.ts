/** What a Prometheus reads of the registry, and the count of requests that it reads. */
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import { encodeMetrics, expositionType, type Metric } from '../../runtime/exposition.ts'
import { type RoutePolicy, routeOf } from '../auth/policy.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { isSent } from '../http/headers.ts'
import type { Counters } from './counters.ts'

/** Counts every answer by its route, which is one of the policy table's or `none`, and the class of its status. */
export function countRequests(counters: Counters): MiddlewareHandler<AppEnv> {
  const labelsOf = openLabels()
  return async (c, next) => {
    await next()
    const status = isSent(c) ? c.env.outgoing?.statusCode : c.res.status
    counters.add('http', labelsOf(routeOf(c), Math.floor((status ?? 0) / 100)))
  }
}

type Labels = Readonly<Record<string, string>>

function openLabels(): (route: RoutePolicy | undefined, statusClass: number) => Labels {
  const made = new Map<RoutePolicy | undefined, Labels[]>()
  return (route, statusClass) => {
    const ofRoute = made.get(route) ?? []
    made.set(route, ofRoute)
    const { method, path } = route ?? { method: 'any', path: 'none' }
    ofRoute[statusClass] ??= { method, route: path.replace('{.+}', ''), status: `${statusClass}xx` }
    return ofRoute[statusClass]
  }
}

export function metricsRoutes(app: OpenAPIHono<AppEnv>, { store, plans, counters }: Services): void {
  app.get('/metrics', async (c) => {
    const { models, versions, endpoints, blobBytes } = await store.size()
    const gauge = (name: string, help: string, count: number): Metric => {
      return { name: `selvedge_${name}`, type: 'gauge', help, samples: [{ count }] }
    }
    const counter = (name: string, help: string, samples: Metric['samples']): Metric => {
      return { name: `selvedge_${name}_total`, type: 'counter', help, samples }
    }
    const text = encodeMetrics([
      gauge('models', 'Models with at least one version.', models),
      gauge('versions', 'Versions of all models.', versions),
      gauge('endpoints', 'Endpoints that are not removed.', endpoints),
      gauge('blob_bytes', 'Bytes of all blobs, each counted once.', blobBytes),
      gauge('polls_waiting', 'Requests that wait for the next plan.', plans.watching()),
      counter('reports', 'Telemetry reports taken, by whether they were news.', counters.of('reports')),
      counter('reports_refused', 'Telemetry reports refused, by reason.', counters.of('reports_refused')),
      counter(
        'events_refused',
        'Exposures and outcomes left out of a report, by reason.',
        counters.of('events_refused'),
      ),
      counter('http_requests', 'Requests answered, by route and class of status.', counters.of('http')),
    ])
    return c.body(text, 200, { 'content-type': expositionType, 'cache-control': 'no-store' })
  })
}
