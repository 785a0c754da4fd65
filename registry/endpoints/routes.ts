/** Endpoints, their deployments and traffic over HTTP. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import {
  type DeploymentBody,
  deployment,
  deploymentBody,
  type Endpoint,
  endpoint,
  endpointBody,
  page,
  traffic,
} from '../../runtime/contract/control.ts'
import { name } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { demandModel, seesEndpoint } from '../auth/scope.ts'
import type { AppEnv, Caller, Services } from '../http/env.ts'
import { invalidRequest } from '../http/errors.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import { pageOf, pageQuery, positionOf } from '../http/pages.ts'
import type { EndpointState, Store, VersionRecord } from '../store/store.ts'
import { composeEnsemble, type DescribedStep } from './ensembles.ts'
import {
  findDeployment,
  numberEnsemble,
  putDeployment,
  refuseServing,
  removeDeployment,
  setAssignment,
  setTraffic,
  trafficOf,
} from './rules.ts'

const endpointPath = '/api/v1/endpoints/{endpoint}'
const params = z.object({ endpoint: name })
const deploymentParams = z.object({ endpoint: name, deployment: name })

const list = createRoute({
  method: 'get',
  path: '/api/v1/endpoints',
  summary: 'Endpoints by name',
  request: { query: pageQuery },
  responses: { 200: jsonAnswer(page(endpoint)) },
})

const get = createRoute({
  method: 'get',
  path: endpointPath,
  summary: 'One endpoint',
  request: { params },
  responses: { 200: jsonAnswer(endpoint) },
})

const put = createRoute({
  method: 'put',
  path: endpointPath,
  summary: 'Make an endpoint, or set how units are assigned to its deployments',
  request: { params, body: jsonRequest(endpointBody) },
  responses: { 200: jsonAnswer(endpoint, 'It was there'), 201: jsonAnswer(endpoint, 'Made') },
})

const remove = createRoute({
  method: 'delete',
  path: endpointPath,
  summary: 'Remove an endpoint that serves nothing',
  request: { params },
  responses: { 204: { description: 'Removed' } },
})

const getDeployment = createRoute({
  method: 'get',
  path: `${endpointPath}/deployments/{deployment}`,
  summary: 'One deployment',
  request: { params: deploymentParams },
  responses: { 200: jsonAnswer(deployment) },
})

const putDeploymentRoute = createRoute({
  method: 'put',
  path: `${endpointPath}/deployments/{deployment}`,
  summary:
    'Deploy a version or an ensemble of versions; makes the endpoint, and the first deployment takes all traffic',
  request: { params: deploymentParams, body: jsonRequest(deploymentBody) },
  responses: { 200: jsonAnswer(deployment, 'It was there'), 201: jsonAnswer(deployment, 'Made') },
})

const deleteDeployment = createRoute({
  method: 'delete',
  path: `${endpointPath}/deployments/{deployment}`,
  summary: 'Remove a deployment that gets no traffic',
  request: { params: deploymentParams },
  responses: { 204: { description: 'Removed' } },
})

const getTraffic = createRoute({
  method: 'get',
  path: `${endpointPath}/traffic`,
  summary: 'The split in percent; its ETag is what a change needs',
  request: { params },
  responses: { 200: jsonAnswer(traffic) },
})

const putTraffic = createRoute({
  method: 'put',
  path: `${endpointPath}/traffic`,
  summary: 'Move the split; needs If-Match',
  request: { params, body: jsonRequest(traffic) },
  responses: { 200: jsonAnswer(traffic) },
})

const listed = ['endpoints']

export function endpointRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, now } = services

  app.openapi(list, async (c) => {
    const { cursor, limit } = c.req.valid('query')
    const after = positionOf(listed, cursor, z.string())
    const states = await seenEndpoints(store, c.get('caller'), { after, limit: limit + 1 })
    return c.json(
      pageOf(states.map(toEndpoint), limit, listed, (last) => last.name),
      200,
    )
  })
  app.openapi(get, async (c) => {
    const state = await findEndpoint(services, c.req.valid('param').endpoint)
    return c.json(toEndpoint(state), 200, { etag: etagOf(state) })
  })
  app.openapi(put, async (c) => {
    const { assignment } = c.req.valid('json')
    const { state: there, made } = await store.endpoints.create(c.req.valid('param').endpoint, now())
    const state =
      assignment === undefined
        ? there
        : await store.endpoints.change(there.name, now(), (before) => setAssignment(before, assignment))
    services.changed(state.name)
    return c.json(toEndpoint(state), made ? 201 : 200, { etag: etagOf(state) })
  })
  app.openapi(remove, async (c) => {
    const { endpoint } = c.req.valid('param')
    await store.endpoints.remove(endpoint, now(), refuseServing)
    services.changed(endpoint)
    return c.body(null, 204)
  })
  app.openapi(getDeployment, async (c) => {
    const { endpoint, deployment } = c.req.valid('param')
    return c.json(findDeployment(await findEndpoint(services, endpoint), deployment), 200)
  })
  app.openapi(putDeploymentRoute, async (c) => {
    const { endpoint, deployment: name } = c.req.valid('param')
    const wanted = await deployable(services, c.get('caller'), c.req.valid('json'))
    const at = now()
    await store.endpoints.create(endpoint, at)
    let made = true
    const facts = { name, createdAt: new Date(at).toISOString() }
    const state = await store.endpoints.change(endpoint, at, (before) => {
      made = !before.deployments.some((held) => held.name === name)
      const next = 'kind' in wanted ? numberEnsemble(before, { ...facts, ...wanted }, at) : { ...facts, ...wanted }
      return putDeployment(before, next)
    })
    services.changed(endpoint)
    return c.json(findDeployment(state, name), made ? 201 : 200)
  })
  app.openapi(deleteDeployment, async (c) => {
    const { endpoint, deployment } = c.req.valid('param')
    await store.endpoints.change(endpoint, now(), (state) => removeDeployment(state, deployment))
    services.changed(endpoint)
    return c.body(null, 204)
  })
  app.openapi(getTraffic, async (c) => {
    const state = await findEndpoint(services, c.req.valid('param').endpoint)
    return c.json(trafficOf(state), 200, { etag: etagOf(state) })
  })
  app.openapi(
    putTraffic,
    async (c) => {
      const { endpoint } = c.req.valid('param')
      const wanted = c.req.valid('json')
      const state = await store.endpoints.change(endpoint, now(), (before) => {
        demandMatch(c, before)
        return setTraffic(before, wanted)
      })
      services.changed(endpoint)
      return c.json(trafficOf(state), 200, { etag: etagOf(state) })
    },
    (result) => {
      if (result.success) return
      const [first] = result.error.issues[0]?.path ?? []
      if (result.target !== 'json' || (first !== 'split' && first !== 'shadow')) {
        throw invalidRequest(result.target, result.error)
      }
      throw new SelvedgeError('TRAFFIC_INVALID', invalidRequest('traffic', result.error).message)
    },
  )
}

// Pages are cut from what the caller sees: a cursor would otherwise tell the name of something else.
async function seenEndpoints(
  { endpoints }: Store,
  caller: Caller | undefined,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<EndpointState[]> {
  const seen: EndpointState[] = []
  for (let from = after; ; ) {
    const states = await endpoints.endpoints({ after: from, limit })
    seen.push(...states.filter((state) => seesEndpoint(caller, state)))
    if (seen.length >= limit || states.length < limit) return seen.slice(0, limit)
    from = states.at(-1)?.name
  }
}

/** @throws {@link SelvedgeError} `ENDPOINT_UNKNOWN` */
export async function findEndpoint({ store }: Services, endpoint: string): Promise<EndpointState> {
  const state = await store.endpoints.endpoint(endpoint)
  if (state !== undefined) return state
  throw new SelvedgeError('ENDPOINT_UNKNOWN', `there is no endpoint ${endpoint}`, { endpoint })
}

/** The body as the store keeps it, once every version in it can be served and the steps of an ensemble fit together. */
async function deployable(services: Services, caller: Caller | undefined, body: DeploymentBody) {
  const { kind, resources = {} } = body
  const fixed = Object.keys(resources).length > 0 && { resources }
  if (kind !== 'ensemble') {
    const { model, version } = body
    await demandScorable(services, caller, model, version)
    return { model, version, ...fixed }
  }
  const steps: DescribedStep[] = []
  for (const step of body.steps) {
    const { description } = await demandScorable(services, caller, step.model, step.version)
    if (description === undefined) throw new Error(`${step.model}@${step.version} can be served and is not described`)
    steps.push({ step, description })
  }
  return { kind, ...composeEnsemble(steps, body.outputs), ...fixed }
}

// One that is not probed yet is waited for: nothing is served that was never loaded.
async function demandScorable(
  { store, probes }: Services,
  caller: Caller | undefined,
  model: string,
  version: number,
): Promise<VersionRecord> {
  demandModel(caller, model)
  const found = await store.models.version(model, version)
  if (found !== undefined) {
    const { state, why } = await probes.of(found)
    if (state === 'not-scorable') {
      throw new SelvedgeError('FORMAT_NOT_SCORABLE', `${model}@${version} cannot be served: ${why}`, { model, version })
    }
    if (state !== 'failed') return found
    throw new SelvedgeError('VERSION_REFUSED', `${model}@${version} cannot be served: ${why}`, { model, version })
  }
  if ((await store.models.model(model)) === undefined) {
    throw new SelvedgeError('NAME_UNKNOWN', `there is no model ${model}`, { model })
  }
  throw new SelvedgeError('NOT_FOUND', `model ${model} has no version ${version}`, { model, version })
}

// RFC 9110, 13.1.1: strong comparison; "*" means whatever is there.
export function demandMatch(c: Context<AppEnv>, state: Pick<EndpointState, 'name' | 'revision'>): void {
  const header = c.req.header('if-match')
  if (header === undefined) throw new SelvedgeError('PRECONDITION_REQUIRED', 'this is changed with If-Match alone')
  const accepted = header.split(',').map((tag) => tag.trim())
  if (accepted.includes('*') || accepted.includes(etagOf(state))) return
  throw new SelvedgeError('PRECONDITION_FAILED', `${state.name} is now ${etagOf(state)}, If-Match says ${header}`)
}

// The revision, not a digest of the split: a split that was changed and changed back was still changed.
export function etagOf({ revision }: Pick<EndpointState, 'revision'>): string {
  return `"${revision}"`
}

export function toEndpoint(state: EndpointState): Endpoint {
  const { name, createdAt, scheme, salt, audience, revision, deployments, ranges, rollout } = state
  return {
    name,
    createdAt,
    scheme,
    salt,
    ...(audience && { audience }),
    revision,
    deployments,
    traffic: trafficOf(state),
    ranges,
    ...(rollout && { rollout: rollout.id }),
  }
}
