/** Telemetry over HTTP: reports in, exact sums and hosts out. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { host, type ProfileSum, page, profileSum, shadowSum } from '../../runtime/contract/control.ts'
import { name, timestamp } from '../../runtime/contract/names.ts'
import { telemetryReceipt, telemetryReport } from '../../runtime/contract/telemetry.ts'
import { limits } from '../../runtime/limits.ts'
import { seesEndpoint } from '../auth/scope.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import { unknownEndpoint } from './intake.ts'
import { pageOf } from './page-quota.ts'

const report = createRoute({
  method: 'post',
  path: '/api/v1/telemetry',
  summary: 'Report counts; cumulative within one sender and window, so that nothing counts twice',
  request: { body: jsonRequest(telemetryReport) },
  responses: { 200: jsonAnswer(telemetryReceipt) },
})

const profiles = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/profiles',
  summary: 'Exact sums of what hosts counted, with the spec that they counted against',
  request: { params: z.object({ endpoint: name }), query: z.strictObject({ since: timestamp.optional() }) },
  responses: { 200: jsonAnswer(page(profileSum)) },
})

const shadows = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/shadow',
  summary: 'Exact sums of how far deployments that shadow were from those that answered',
  request: { params: z.object({ endpoint: name }), query: z.strictObject({ since: timestamp.optional() }) },
  responses: { 200: jsonAnswer(page(shadowSum)) },
})

const hosts = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/hosts',
  summary: 'Hosts that reported within the last seven days, the latest first',
  request: { params: z.object({ endpoint: name }) },
  responses: { 200: jsonAnswer(page(host)) },
})

export function telemetryRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, intake, now } = services

  app.openapi(report, async (c) => {
    const taken = c.req.valid('json')
    const caller = c.get('caller')
    // Reports come by the thousand, and few tokens are limited.
    const state = caller?.models && (await store.endpoints.endpoint(taken.endpoint))
    if (state !== undefined && !seesEndpoint(caller, state)) throw unknownEndpoint(taken.endpoint)
    return c.json({ counted: await intake.take(taken, pageOf(c, services)) }, 200)
  })
  app.openapi(profiles, async (c) => {
    const { name } = await findEndpoint(services, c.req.valid('param').endpoint)
    const { since } = c.req.valid('query')
    return c.json({ items: await sumsWithBaseline(services, name, since) }, 200)
  })
  app.openapi(shadows, async (c) => {
    const { name } = await findEndpoint(services, c.req.valid('param').endpoint)
    const { since } = c.req.valid('query')
    const items = await store.telemetry.shadows(name, since === undefined ? '' : new Date(since).toISOString())
    return c.json({ items }, 200)
  })
  app.openapi(hosts, async (c) => {
    const { name } = await findEndpoint(services, c.req.valid('param').endpoint)
    const since = new Date(now() - limits.telemetryPastMs).toISOString()
    const items = await store.telemetry.hosts(name, since, limits.pageSize)
    return c.json({ items: items.map((item) => ({ ...item, endpoint: name })) }, 200)
  })
}

/** @param since - RFC 3339; by default everything that is stored */
export async function sumsWithBaseline({ store }: Services, endpoint: string, since?: string): Promise<ProfileSum[]> {
  const sums = await store.telemetry.sums(endpoint, since === undefined ? '' : new Date(since).toISOString())
  const served = await store.endpoints.served(endpoint)
  return sums.map((sum) => {
    const spec = served.find((each) => each.spec !== undefined && each.spec.digest === sum.spec)?.spec
    return { ...sum, ...(spec && { baseline: spec.spec }) }
  })
}
