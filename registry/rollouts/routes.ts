/** Rollouts over HTTP: begun, read, paused, resumed, aborted; and the way back to the split before. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { endpoint as endpointSchema, page } from '../../runtime/contract/control.ts'
import { name } from '../../runtime/contract/names.ts'
import { type RolloutBody, rollbackBody, rollout, rolloutBody, rolloutPatch } from '../../runtime/contract/rollout.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { adviseSteps } from '../../runtime/rollout/steps.ts'
import { demandMatch, etagOf, findEndpoint, toEndpoint } from '../endpoints/routes.ts'
import { findDeployment } from '../endpoints/rules.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { invalidRequest } from '../http/errors.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import { pageOf, pageQuery, positionOf } from '../http/pages.ts'
import type { RolloutRecord } from '../store/rollouts.ts'
import type { EndpointState } from '../store/store.ts'
import { readOutputs, readTraffic } from './evidence.ts'
import { toRollout } from './read.ts'
import { checkSteps, goBack, setState, startRollout } from './rules.ts'

const rolloutsPath = '/api/v1/endpoints/{endpoint}/rollouts'
const params = z.object({ endpoint: name })
const rolloutParams = z.object({ endpoint: name, rollout: z.string().max(32) })

const list = createRoute({
  method: 'get',
  path: rolloutsPath,
  summary: 'Rollouts of an endpoint, newest first',
  request: { params, query: pageQuery },
  responses: { 200: jsonAnswer(page(rollout)) },
})

const post = createRoute({
  method: 'post',
  path: rolloutsPath,
  summary: "Begin a rollout; needs If-Match with the endpoint's ETag",
  request: { params, body: jsonRequest(rolloutBody) },
  responses: { 201: jsonAnswer(rollout, 'Begun') },
})

const get = createRoute({
  method: 'get',
  path: `${rolloutsPath}/{rollout}`,
  summary: 'One rollout with its history; its ETag is what a change needs',
  request: { params: rolloutParams },
  responses: { 200: jsonAnswer(rollout) },
})

const patch = createRoute({
  method: 'patch',
  path: `${rolloutsPath}/{rollout}`,
  summary: 'Pause, resume or abort a rollout; needs If-Match',
  request: { params: rolloutParams, body: jsonRequest(rolloutPatch) },
  responses: { 200: jsonAnswer(rollout) },
})

const rollback = createRoute({
  method: 'post',
  path: '/api/v1/endpoints/{endpoint}/rollback',
  summary: 'Go back to the split before this one; a rollout under way is aborted',
  request: { params, body: jsonRequest(rollbackBody) },
  responses: { 200: jsonAnswer(endpointSchema) },
})

export function rolloutRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, now } = services

  app.openapi(list, async (c) => {
    const { endpoint } = c.req.valid('param')
    const { cursor, limit } = c.req.valid('query')
    const query = ['rollouts', endpoint]
    const before = positionOf(query, cursor, z.int())
    await findEndpoint(services, endpoint)
    const found = await store.rollouts.rollouts(endpoint, { before, limit: limit + 1 })
    const items = await Promise.all(found.map((each) => toRollout(services, each)))
    return c.json(
      pageOf(items, limit, query, ({ id }) => Number(id)),
      200,
    )
  })
  app.openapi(
    post,
    async (c) => {
      const { endpoint } = c.req.valid('param')
      const { why, ...body } = c.req.valid('json')
      checkSteps(body.steps)
      const state = await findEndpoint(services, endpoint)
      findDeployment(state, body.deployment)
      await demandOutputs(services, state, body)
      const advice = adviseSteps(body, await readTraffic(store, endpoint, now()))
      const cause = { now: now(), by: c.get('caller')?.token, why }
      const begun = await store.rollouts.start(endpoint, cause.now, (before) => {
        demandMatch(c, before)
        return startRollout(before, body, advice, cause)
      })
      services.changed(endpoint)
      return c.json(await toRollout(services, begun), 201, { etag: etagOfRollout(begun) })
    },
    (result) => {
      if (result.success) return
      const [first] = result.error.issues[0]?.path ?? []
      if (result.target === 'json' && first === 'steps') {
        throw new SelvedgeError('TRAFFIC_INVALID', invalidRequest('rollout', result.error).message)
      }
      throw invalidRequest(result.target, result.error)
    },
  )
  app.openapi(get, async (c) => {
    const found = await findRollout(services, c.req.valid('param'))
    return c.json(await toRollout(services, found), 200, { etag: etagOfRollout(found) })
  })
  app.openapi(patch, async (c) => {
    const found = await findRollout(services, c.req.valid('param'))
    demandMatch(c, { name: `rollout ${found.id}`, revision: found.changes })
    const { state, why } = c.req.valid('json')
    if (state === found.state) return c.json(await toRollout(services, found), 200, { etag: etagOfRollout(found) })
    const cause = { now: now(), by: c.get('caller')?.token, why }
    const changed = await store.rollouts.change(found.id, found.changes, cause.now, (held) =>
      setState(held, state, cause),
    )
    if (changed === undefined) {
      throw new SelvedgeError('PRECONDITION_FAILED', `rollout ${found.id} was changed by someone else just now`)
    }
    services.changed(found.endpoint)
    return c.json(await toRollout(services, changed), 200, { etag: etagOfRollout(changed) })
  })
  app.openapi(rollback, async (c) => {
    const { endpoint } = c.req.valid('param')
    const cause = { now: now(), by: c.get('caller')?.token, why: c.req.valid('json').why }
    const state = await store.rollouts.back(endpoint, cause.now, (...told) => goBack(...told, cause))
    services.changed(endpoint)
    return c.json(toEndpoint(state), 200, { etag: etagOf(state) })
  })
}

async function findRollout(services: Services, params: z.infer<typeof rolloutParams>): Promise<RolloutRecord> {
  await findEndpoint(services, params.endpoint)
  const found = await services.store.rollouts.rollout(params.endpoint, params.rollout)
  if (found !== undefined) return found
  throw new SelvedgeError('NOT_FOUND', `endpoint ${params.endpoint} has no rollout ${params.rollout}`, params)
}

async function demandOutputs(
  { store }: Services,
  state: EndpointState,
  { guards, deployment }: RolloutBody,
): Promise<void> {
  if (!guards.some(({ metric }) => metric === 'drift')) return
  const outputs = await readOutputs(store, state, deployment)
  if (outputs?.green.some(({ name }) => outputs.blue.some((each) => each.name === name))) return
  throw new SelvedgeError(
    'MONITOR_REFUSED',
    `guard drift of ${state.name}/${deployment}: it and what serves beside it need a baseline with an output of one name`,
  )
}

function etagOfRollout({ changes }: RolloutRecord): string {
  return `"${changes}"`
}
