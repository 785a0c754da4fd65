/** Monitors and drift reports over HTTP. A monitor that cannot work is refused when it is made. */
import { isDeepStrictEqual } from 'node:util'
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { attribution } from '../../runtime/contract/attribution.ts'
import { page } from '../../runtime/contract/control.ts'
import {
  alarm,
  type DriftReport,
  driftReport as driftReportSchema,
  type Monitor,
  type MonitorBody,
  monitor,
  monitorBody,
  monitorLook,
} from '../../runtime/contract/monitor.ts'
import { type MonitorReport, monitorReport } from '../../runtime/contract/monitor-reports.ts'
import { name, timestamp } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import { findDeployment } from '../endpoints/rules.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import { pageOf, pageQuery, positionOf } from '../http/pages.ts'
import type { DeploymentState, EndpointState, PastBaseline, Store } from '../store/store.ts'
import { attributionOf } from './attribution.ts'
import { monitored } from './drift.ts'
import { judgedBy } from './losses.ts'
import { pastBaseline } from './past.ts'
import { reportAt } from './reports.ts'
import {
  type Baselined,
  busiest,
  findMonitor,
  hasBaseline,
  monitorsOf,
  refuseMonitor,
  unknownMonitor,
  type Watched,
  watchedOf,
} from './watched.ts'

const endpointPath = '/api/v1/endpoints/{endpoint}'
const params = z.object({ endpoint: name, monitor: name })

const list = createRoute({
  method: 'get',
  path: `${endpointPath}/monitors`,
  summary: 'Monitors of an endpoint; "default" is there wherever a version with a baseline is deployed',
  request: { params: z.object({ endpoint: name }) },
  responses: { 200: jsonAnswer(page(monitor)) },
})

const get = createRoute({
  method: 'get',
  path: `${endpointPath}/monitors/{monitor}`,
  summary: 'One monitor',
  request: { params },
  responses: { 200: jsonAnswer(monitor) },
})

const put = createRoute({
  method: 'put',
  path: `${endpointPath}/monitors/{monitor}`,
  summary: 'Make or change a monitor; one that could not work is refused',
  request: { params, body: jsonRequest(monitorBody) },
  responses: { 200: jsonAnswer(monitor, 'It was there'), 201: jsonAnswer(monitor, 'Made') },
})

const remove = createRoute({
  method: 'delete',
  path: `${endpointPath}/monitors/{monitor}`,
  summary: 'Remove a monitor; "default" is then as it was at first',
  request: { params },
  responses: { 204: { description: 'Removed' } },
})

const reportQuery = z.strictObject({
  /** The one with the most traffic where absent. */
  deployment: name.optional(),
  /** Default: as of now. */
  at: timestamp.optional(),
})

export const driftQuery = reportQuery.extend({ monitor: name.default('default') })

const report = createRoute({
  method: 'get',
  path: `${endpointPath}/monitors/{monitor}/report`,
  summary: 'What a monitor says of a deployment, or said at a moment, with every number that it rests on',
  request: { params, query: reportQuery },
  responses: { 200: jsonAnswer(monitorReport) },
})

const looks = createRoute({
  method: 'get',
  path: `${endpointPath}/monitors/{monitor}/looks`,
  summary: 'What a monitor saw of a deployment window by window, the newest first',
  request: { params, query: pageQuery.extend({ deployment: name.optional() }) },
  responses: { 200: jsonAnswer(page(monitorLook)) },
})

const alarms = createRoute({
  method: 'get',
  path: `${endpointPath}/alarms`,
  summary: 'State of each monitor and of each feature and output that it looks at, and since when',
  request: { params: z.object({ endpoint: name }) },
  responses: { 200: jsonAnswer(page(alarm)) },
})

const drift = createRoute({
  method: 'get',
  path: `${endpointPath}/drift`,
  summary: 'The same of a monitor of drift or quality',
  request: { params: z.object({ endpoint: name }), query: driftQuery },
  responses: { 200: jsonAnswer(driftReportSchema) },
})

const attributed = createRoute({
  method: 'get',
  path: `${endpointPath}/attribution`,
  summary: 'Whether a drift comes from inputs, the version or a provider, and which features go with it',
  request: { params: z.object({ endpoint: name }), query: driftQuery },
  responses: { 200: jsonAnswer(attribution) },
})

export function monitorRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, now } = services

  app.openapi(list, async (c) => {
    const endpoint = await findEndpoint(services, c.req.valid('param').endpoint)
    return c.json({ items: await monitorsOf(store, endpoint, await watchedOf(store, endpoint)) }, 200)
  })
  app.openapi(get, async (c) => {
    const params = c.req.valid('param')
    const endpoint = await findEndpoint(services, params.endpoint)
    return c.json(await findMonitor(store, endpoint, params.monitor), 200)
  })
  app.openapi(put, async (c) => {
    const params = c.req.valid('param')
    const endpoint = await findEndpoint(services, params.endpoint)
    const body = c.req.valid('json')
    const past = await demandWorkable(store, endpoint, body, await watchedOf(store, endpoint))
    const held = await store.monitors.monitor(endpoint.name, params.monitor)
    const createdAt = held && judgesAlike(held, body) ? held.createdAt : new Date(now()).toISOString()
    const made: Monitor = { name: params.monitor, ...body, createdAt }
    return c.json(made, (await store.monitors.put(endpoint.name, made, past)) ? 201 : 200)
  })
  app.openapi(remove, async (c) => {
    const params = c.req.valid('param')
    const endpoint = await findEndpoint(services, params.endpoint)
    if (await store.monitors.remove(endpoint.name, params.monitor)) return c.body(null, 204)
    throw unknownMonitor(endpoint.name, params.monitor)
  })
  app.openapi(looks, async (c) => {
    const params = c.req.valid('param')
    const { cursor, limit, deployment: named } = c.req.valid('query')
    const endpoint = await findEndpoint(services, params.endpoint)
    const monitor = await findMonitor(store, endpoint, params.monitor)
    const deployment = named === undefined ? busiest(endpoint) : findDeployment(endpoint, named)
    const looked = { endpoint: endpoint.name, monitor: monitor.name, deployment: deployment.name }
    const query = ['looks', looked]
    const found = await store.looks.looks(looked, { before: positionOf(query, cursor, z.string()), limit: limit + 1 })
    const items = found.map((look) => monitorLook.parse({ ...look, ...(look.summary as object) }))
    return c.json(
      pageOf(items, limit, query, (last) => last.at),
      200,
    )
  })
  app.openapi(alarms, async (c) => {
    const { name } = await findEndpoint(services, c.req.valid('param').endpoint)
    return c.json({ items: await store.looks.states(name) }, 200)
  })
  app.openapi(report, async (c) => {
    const { endpoint, monitor } = c.req.valid('param')
    return c.json(await readReport(services, endpoint, monitor, c.req.valid('query')), 200)
  })
  app.openapi(drift, async (c) => {
    const { endpoint } = c.req.valid('param')
    return c.json(await readDrift(services, endpoint, c.req.valid('query')), 200)
  })
  app.openapi(attributed, async (c) => {
    const report = await readDrift(services, c.req.valid('param').endpoint, c.req.valid('query'))
    return c.json(await attributionOf(store, report), 200)
  })
}

/** @throws {@link SelvedgeError} `ENDPOINT_UNKNOWN`, `NOT_FOUND`, `DEPLOYMENT_UNKNOWN`, `MONITOR_REFUSED` */
export async function readReport(
  services: Services,
  endpointName: string,
  monitorName: string,
  { deployment: named, at }: z.infer<typeof reportQuery>,
): Promise<MonitorReport> {
  const { store, now } = services
  const endpoint = await findEndpoint(services, endpointName)
  const monitor = await findMonitor(store, endpoint, monitorName)
  const deployment = named === undefined ? busiest(endpoint) : findDeployment(endpoint, named)
  if (at !== undefined) return await readLook(services, { endpoint, monitor, deployment }, at)
  const watched = (await watchedOf(store, endpoint)).find((each) => each.deployment === deployment)
  return await reportAt(store, endpoint.name, monitor, watched ?? { deployment }, now())
}

/** The same of a monitor whose report is one of features. */
export async function readDrift(
  services: Services,
  endpoint: string,
  { monitor, ...query }: z.infer<typeof driftQuery>,
): Promise<DriftReport> {
  const report = await readReport(services, endpoint, monitor, query)
  if ('features' in report) return report
  const { signal } = report.monitor
  throw refuseMonitor({ name: endpoint }, `monitor ${monitor} tells of ${signal}: ask …/monitors/${monitor}/report`)
}

interface Asked {
  endpoint: EndpointState
  monitor: Monitor
  deployment: DeploymentState
}

/** What was said then: the last look that was not after the moment. */
async function readLook({ store }: Services, asked: Asked, at: string): Promise<MonitorReport> {
  const looked = { endpoint: asked.endpoint.name, monitor: asked.monitor.name, deployment: asked.deployment.name }
  const last = await store.looks.last(looked, new Date(at).toISOString())
  const report = last && (await store.looks.report(looked, last.at))
  if (report !== undefined) return monitorReport.parse(report)
  const { monitor, endpoint } = looked
  throw new SelvedgeError('NOT_FOUND', `no report of monitor ${monitor} of ${endpoint} is kept from ${at} or before`)
}

/**
 * The baselines that it has to keep.
 *
 * @throws {@link SelvedgeError} `MONITOR_REFUSED` where it could work on no deployment
 */
async function demandWorkable(
  store: Store,
  endpoint: EndpointState,
  body: MonitorBody,
  watched: readonly Watched[],
): Promise<PastBaseline[]> {
  if (watched.length === 0) throw refuseMonitor(endpoint, 'it has no deployment')
  if (body.signal === 'health') return []
  const deployed = watched.filter(hasBaseline)
  if (deployed.length === 0) throw refuseMonitor(endpoint, 'no deployment serves a version with a baseline')
  for (const feature of body.features ?? []) {
    if (deployed.some(({ spec }) => monitored(spec.spec, { features: [feature] }).features.length > 0)) continue
    throw refuseMonitor(endpoint, `no deployed version counts a feature "${feature}"`)
  }
  if (body.signal === 'performance') {
    await demandOutcomes(store, endpoint, body, deployed)
    return []
  }
  if (body.baseline === 'training') return []
  const past: PastBaseline[] = []
  for (const each of deployed) {
    const found = await pastBaseline(store, endpoint.name, each, body.baseline)
    if (found !== undefined) past.push(found)
  }
  if (past.length > 0) return past
  throw refuseMonitor(endpoint, 'no deployed version counted enough rows in that span of time')
}

async function demandOutcomes(
  store: Store,
  endpoint: EndpointState,
  body: MonitorBody,
  deployed: readonly Baselined[],
): Promise<void> {
  let first: string | undefined
  for (const each of deployed) {
    const judged = await judgedBy(store, endpoint.name, body, each)
    if (!('why' in judged)) return
    first ??= judged.why
  }
  throw refuseMonitor(endpoint, first ?? 'no deployment serves a version with a baseline')
}

/** Whether all is the same but who is told: the life of its evidence then goes on. */
function judgesAlike(
  { name: _, createdAt: __, tell: ___, ...held }: Monitor,
  { tell: ____, ...body }: MonitorBody,
): boolean {
  return isDeepStrictEqual(held, body)
}
