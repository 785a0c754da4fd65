/** Typed client of the control plane (design, section 7): what a schema of the contract does not allow is no answer. */
import type { z } from 'zod'
import {
  type Alias,
  type AliasMove,
  type Assignment,
  alias,
  aliasMove,
  createdToken,
  type Deployment,
  type DeploymentBody,
  deployment,
  type Endpoint,
  endpoint,
  type Host,
  host,
  keys,
  type Model,
  type ModelVersion,
  model,
  modelVersion,
  type ProfileSum,
  page,
  profileSum,
  type Role,
  type ShadowSum,
  shadowSum,
  type Token,
  type Traffic,
  token,
  traffic,
} from '../../runtime/contract/control.ts'
import { type Experiment, experiment } from '../../runtime/contract/experiment.ts'
import { type Rollout, rollout } from '../../runtime/contract/rollout.ts'
import { createdWebhook, type Webhook, webhook } from '../../runtime/contract/webhooks.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { readJson, request, type Server } from './answers.ts'

/** Every method throws {@link SelvedgeError} with the registry's code, or `REGISTRY_UNREACHABLE`. */
export interface Client {
  /** Those that a filter finds (`tag.team = 'vision'`); all without one. */
  models(filter?: string): Promise<Model[]>
  /** Oldest first; none where the model is unknown. */
  versions(model: string): Promise<ModelVersion[]>
  version(model: string, version: number): Promise<ModelVersion>
  endpoints(): Promise<Endpoint[]>
  endpoint(name: string): Promise<Endpoint>
  /** Undefined where it is not there. */
  deployment(endpoint: string, deployment: string): Promise<Deployment | undefined>
  putDeployment(endpoint: string, deployment: string, body: DeploymentBody): Promise<Deployment>
  traffic(endpoint: string): Promise<{ traffic: Traffic; etag: string }>
  /** @throws {@link SelvedgeError} `PRECONDITION_FAILED` where it was changed since `etag` was read */
  putTraffic(endpoint: string, body: Traffic, etag: string): Promise<Traffic>
  putAssignment(endpoint: string, body: Assignment): Promise<Endpoint>
  hosts(endpoint: string): Promise<Host[]>
  /** Sums of the reports since a moment. */
  profiles(endpoint: string, since: string): Promise<ProfileSum[]>
  /** The newest first, twenty at most. */
  rollouts(endpoint: string): Promise<Rollout[]>
  /** Sums of what shadows were told since a moment. */
  shadows(endpoint: string, since: string): Promise<ShadowSum[]>
  experiment(
    endpoint: string,
    query: {
      outcome: string
      control?: string | undefined
      treatment?: string | undefined
      from?: string | undefined
    },
  ): Promise<Experiment>
  tokens(): Promise<Token[]>
  createToken(body: { role: Role; name?: string; models?: string[] }): Promise<Token & { secret: string }>
  revokeToken(id: string): Promise<void>
  webhooks(): Promise<Webhook[]>
  createWebhook(body: { name: string; url: string; events: string[] }): Promise<Webhook & { secret: string }>
  deleteWebhook(name: string): Promise<void>
  /** Those that point to a version, by name. */
  aliases(model: string): Promise<Alias[]>
  /** The newest first. */
  aliasMoves(model: string, alias: string): Promise<AliasMove[]>
  /** What it pointed to at a moment, RFC 3339. */
  aliasAt(model: string, alias: string, at: string): Promise<AliasMove>
  /** @throws {@link SelvedgeError} `PRECONDITION_FAILED` where someone else moved it meanwhile */
  moveAlias(model: string, alias: string, body: { version: number; why?: string }): Promise<AliasMove>
  /** Keys that sign plans now, `ed25519:…`. */
  planKeys(): Promise<string[]>
}

export function openClient(server: Server): Client {
  const get = async <Schema extends z.ZodType>(path: string, schema: Schema) =>
    readJson(server, await request(server, `api/v1/${path}`), schema)

  const send = (method: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
    request(server, `api/v1/${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })

  async function list<Item extends z.ZodType>(
    path: string,
    item: Item,
    search: Record<string, string> = {},
  ): Promise<z.infer<Item>[]> {
    const schema = page(item)
    const items: z.infer<Item>[] = []
    let cursor: string | undefined
    do {
      const query = new URLSearchParams({ ...search, limit: String(limits.pageSize), ...(cursor && { cursor }) })
      const answer = await get(`${path}?${query}`, schema)
      items.push(...(answer.items as z.infer<Item>[]))
      cursor = answer.nextCursor
    } while (cursor !== undefined)
    return items
  }

  return {
    models: (filter) => list('models', model, filter === undefined ? {} : { filter }),
    async versions(name) {
      const items = await list(`models/${part(name)}/versions`, modelVersion).catch(absent('NAME_UNKNOWN', 'NOT_FOUND'))
      return (items ?? []).sort((a, b) => a.version - b.version)
    },
    version: (name, version) => get(`models/${part(name)}/versions/${version}`, modelVersion),
    aliases: async (name) => (await get(`models/${part(name)}/aliases`, page(alias))).items,
    aliasMoves: (name, alias) => list(aliasPath(name, alias, '/history'), aliasMove),
    aliasAt: (name, alias, at) => get(`${aliasPath(name, alias)}?${new URLSearchParams({ at })}`, aliasMove),
    async moveAlias(name, alias, body) {
      const path = aliasPath(name, alias)
      const held = await request(server, `api/v1/${path}`).catch(absent('NOT_FOUND'))
      const etag = held?.headers.get('etag')
      const response = await send('PUT', path, body, etag ? { 'if-match': etag } : { 'if-none-match': '*' })
      return readJson(server, response, aliasMove)
    },
    endpoints: () => list('endpoints', endpoint),
    endpoint: (name) => get(`endpoints/${part(name)}`, endpoint),
    deployment: (endpointName, name) =>
      get(deploymentPath(endpointName, name), deployment).catch(absent('ENDPOINT_UNKNOWN', 'DEPLOYMENT_UNKNOWN')),
    async putDeployment(endpointName, name, body) {
      const response = await send('PUT', deploymentPath(endpointName, name), body)
      return readJson(server, response, deployment)
    },
    async traffic(name) {
      const response = await request(server, `api/v1/endpoints/${part(name)}/traffic`)
      return { traffic: await readJson(server, response, traffic), etag: response.headers.get('etag') ?? '' }
    },
    async putTraffic(name, body, etag) {
      const response = await send('PUT', `endpoints/${part(name)}/traffic`, body, { 'if-match': etag })
      return readJson(server, response, traffic)
    },
    async putAssignment(name, assignment) {
      return readJson(server, await send('PUT', `endpoints/${part(name)}`, { assignment }), endpoint)
    },
    async hosts(name) {
      return (await get(`endpoints/${part(name)}/hosts`, page(host))).items
    },
    async profiles(name, since) {
      return (await get(`endpoints/${part(name)}/profiles?${new URLSearchParams({ since })}`, page(profileSum))).items
    },
    async rollouts(name) {
      return (await get(`endpoints/${part(name)}/rollouts?limit=20`, page(rollout))).items
    },
    async shadows(name, since) {
      return (await get(`endpoints/${part(name)}/shadow?${new URLSearchParams({ since })}`, page(shadowSum))).items
    },
    experiment: (name, { outcome, control, treatment, from }) => {
      const query = { outcome, ...(control && { control }), ...(treatment && { treatment }), ...(from && { from }) }
      return get(`endpoints/${part(name)}/experiment?${new URLSearchParams(query)}`, experiment)
    },
    tokens: () => list('tokens', token),
    async createToken(body) {
      return readJson(server, await send('POST', 'tokens', body), createdToken)
    },
    async revokeToken(id) {
      await request(server, `api/v1/tokens/${part(id)}`, { method: 'DELETE' })
    },
    webhooks: () => list('webhooks', webhook),
    async createWebhook(body) {
      return readJson(server, await send('POST', 'webhooks', body), createdWebhook)
    },
    async deleteWebhook(name) {
      await request(server, `api/v1/webhooks/${part(name)}`, { method: 'DELETE' })
    },
    async planKeys() {
      return (await get('keys', keys)).keys.map(({ key }) => key)
    },
  }
}

function aliasPath(model: string, alias: string, below = ''): string {
  return `models/${part(model)}/aliases/${part(alias)}${below}`
}

function deploymentPath(endpoint: string, deployment: string): string {
  return `endpoints/${part(endpoint)}/deployments/${part(deployment)}`
}

function part(name: string): string {
  return encodeURIComponent(name)
}

function absent(...codes: string[]): (thrown: unknown) => undefined {
  return (thrown) => {
    if (thrown instanceof SelvedgeError && codes.includes(thrown.code)) return undefined
    throw thrown
  }
}
