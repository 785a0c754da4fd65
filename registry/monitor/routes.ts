/** Monitors and drift reports over HTTP. A monitor that cannot work is refused when it is made. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { page } from '../../runtime/contract/control.ts'
import {
  type DriftReport,
  driftReport as driftReportSchema,
  type Monitor,
  monitor,
  monitorBody,
} from '../../runtime/contract/monitor.ts'
import { name } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { renderPage } from '../console/page.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import { findDeployment, trafficOf } from '../endpoints/rules.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { invalidRequest } from '../http/errors.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import type { DeploymentState, EndpointState, Served } from '../store/store.ts'
import { driftReport, firstWindow, monitored } from './drift.ts'
import { driftPage } from './page.ts'

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

const driftQuery = z.strictObject({
  monitor: name.default('default'),
  /** The one with the most traffic where absent. */
  deployment: name.optional(),
})

const drift = createRoute({
  method: 'get',
  path: `${endpointPath}/drift`,
  summary: 'What a monitor says of a deployment, with every number that it rests on',
  request: {
    params: z.object({ endpoint: name }),
    query: driftQuery,
  },
  responses: { 200: jsonAnswer(driftReportSchema) },
})

const theDefault: Monitor = { name: 'default', ...monitorBody.parse({}) }

export function monitorRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, now } = services

  app.openapi(list, async (c) => {
    const endpoint = await findEndpoint(services, c.req.valid('param').endpoint)
    const made = await store.monitors.monitors(endpoint.name)
    const isMade = made.some(({ name }) => name === theDefault.name)
    const isThere = !isMade && (await withBaseline(services, endpoint)).length > 0
    return c.json({ items: isThere ? [theDefault, ...made] : made }, 200)
  })
  app.openapi(get, async (c) => {
    const params = c.req.valid('param')
    const endpoint = await findEndpoint(services, params.endpoint)
    return c.json(await findMonitor(services, endpoint, params.monitor), 200)
  })
  app.openapi(put, async (c) => {
    const params = c.req.valid('param')
    const endpoint = await findEndpoint(services, params.endpoint)
    const body = c.req.valid('json')
    demandWorkable(endpoint, body.features, await withBaseline(services, endpoint))
    const made: Monitor = { name: params.monitor, ...body, createdAt: new Date(now()).toISOString() }
    return c.json(made, (await store.monitors.put(endpoint.name, made)) ? 201 : 200)
  })
  app.openapi(remove, async (c) => {
    const params = c.req.valid('param')
    const endpoint = await findEndpoint(services, params.endpoint)
    if (await store.monitors.remove(endpoint.name, params.monitor)) return c.body(null, 204)
    throw unknownMonitor(endpoint.name, params.monitor)
  })
  app.openapi(drift, async (c) => {
    const { endpoint } = c.req.valid('param')
    return c.json(await readDrift(services, endpoint, c.req.valid('query')), 200)
  })
  app.get('/endpoints/:endpoint/drift', async (c) => {
    const asked = driftQuery.safeParse(c.req.query())
    if (!asked.success) throw invalidRequest('query', asked.error)
    const report = await readDrift(services, c.req.param('endpoint'), asked.data)
    return renderPage(c, `Drift of ${report.endpoint}`, driftPage(report))
  })
}

/** @throws {@link SelvedgeError} `ENDPOINT_UNKNOWN`, `NOT_FOUND`, `DEPLOYMENT_UNKNOWN`, `MONITOR_REFUSED` */
async function readDrift(
  services: Services,
  endpointName: string,
  query: z.infer<typeof driftQuery>,
): Promise<DriftReport> {
  const { store, now } = services
  const endpoint = await findEndpoint(services, endpointName)
  const monitor = await findMonitor(services, endpoint, query.monitor)
  const deployment = query.deployment === undefined ? busiest(endpoint) : findDeployment(endpoint, query.deployment)
  const found = (await withBaseline(services, endpoint)).find((each) => each.deployment === deployment)
  if (found === undefined) throw refuse(endpoint, `deployment ${deployment.name} serves a version without a baseline`)
  const { digest, spec } = found.spec
  const counted = { deployment: deployment.name, version: deployment.version, spec: digest }
  const at = now()
  const first = firstWindow(monitor, Date.parse(deployment.createdAt), at - limits.telemetryPastMs, at)
  const rows = await store.telemetry.senderCounts(endpoint.name, counted, new Date(first.from).toISOString())
  return await driftReport({ endpoint: endpoint.name, monitor, counted, spec, rows, first, now: at })
}

interface Baselined {
  deployment: DeploymentState
  spec: NonNullable<Served['spec']>
}

/** Deployments whose version has a baseline. */
async function withBaseline({ store }: Services, { name, deployments }: EndpointState): Promise<Baselined[]> {
  const served = await store.endpoints.served(name)
  return deployments.flatMap((deployment) => {
    const { model, version } = deployment
    const found = served.find(
      (each) => each.deployment === deployment.name && each.model === model && each.version === version,
    )
    return found?.spec === undefined ? [] : [{ deployment, spec: found.spec }]
  })
}

/** @throws {@link SelvedgeError} `NOT_FOUND` */
async function findMonitor(services: Services, endpoint: EndpointState, name: string): Promise<Monitor> {
  const made = await services.store.monitors.monitor(endpoint.name, name)
  if (made !== undefined) return made
  const isThere = name === theDefault.name && (await withBaseline(services, endpoint)).length > 0
  if (isThere) return theDefault
  throw unknownMonitor(endpoint.name, name)
}

function demandWorkable(
  endpoint: EndpointState,
  features: readonly string[] | undefined,
  deployed: readonly Baselined[],
): void {
  if (deployed.length === 0) throw refuse(endpoint, 'no deployment serves a version with a baseline')
  for (const feature of features ?? []) {
    if (deployed.some(({ spec }) => monitored(spec.spec, { features: [feature] }).features.length > 0)) continue
    throw refuse(endpoint, `no deployed version counts a feature "${feature}"`)
  }
}

function busiest(endpoint: EndpointState): DeploymentState {
  const { split } = trafficOf(endpoint)
  const [first] = endpoint.deployments.toSorted((a, b) => (split[b.name] ?? 0) - (split[a.name] ?? 0))
  if (first === undefined) throw refuse(endpoint, 'it has no deployment')
  return first
}

function refuse({ name }: EndpointState, why: string): SelvedgeError {
  return new SelvedgeError('MONITOR_REFUSED', `endpoint ${name} cannot be monitored so: ${why}`, { endpoint: name })
}

function unknownMonitor(endpoint: string, monitor: string): SelvedgeError {
  return new SelvedgeError('NOT_FOUND', `endpoint ${endpoint} has no monitor ${monitor}`, { endpoint, monitor })
}
