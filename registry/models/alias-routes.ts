/** Aliases over HTTP: compare-and-set, and what each pointed to at any moment. OCI clients move them as tags. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type AliasMove, alias, aliasBody, aliasMove, page } from '../../runtime/contract/control.ts'
import { aliasName, name, timestamp } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import { pageOf, pageQuery, positionOf } from '../http/pages.ts'
import { removalOf } from './holders.ts'

const path = '/api/v1/models/{model}/aliases'
const params = z.object({ model: name, alias: aliasName })

const list = createRoute({
  method: 'get',
  path,
  summary: 'Aliases of a model and the versions that they point to',
  request: { params: z.object({ model: name }) },
  responses: { 200: jsonAnswer(page(alias)) },
})

const get = createRoute({
  method: 'get',
  path: `${path}/{alias}`,
  summary: 'What an alias points to, or pointed to at a moment; its ETag is what a change needs',
  request: { params, query: z.strictObject({ at: timestamp.optional() }) },
  responses: { 200: jsonAnswer(aliasMove) },
})

const history = createRoute({
  method: 'get',
  path: `${path}/{alias}/history`,
  summary: 'Every move of an alias, the newest first',
  request: { params, query: pageQuery },
  responses: { 200: jsonAnswer(page(aliasMove)) },
})

const put = createRoute({
  method: 'put',
  path: `${path}/{alias}`,
  summary: 'Move an alias; one that points somewhere needs If-Match',
  request: { params, body: jsonRequest(aliasBody) },
  responses: { 200: jsonAnswer(aliasMove) },
})

const remove = createRoute({
  method: 'delete',
  path: `${path}/{alias}`,
  summary: 'Take an alias away, unless what it points to is served; its history stays',
  request: { params },
  responses: { 204: { description: 'Taken away' } },
})

export function aliasRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, now, log } = services

  app.openapi(list, async (c) => {
    const { model } = c.req.valid('param')
    if ((await store.models.model(model)) === undefined) {
      throw new SelvedgeError('NAME_UNKNOWN', `there is no model ${model}`, { model })
    }
    return c.json({ items: await store.models.aliases(model) }, 200)
  })
  app.openapi(get, async (c) => {
    const { model, alias } = c.req.valid('param')
    const { at } = c.req.valid('query')
    const move = await store.models.aliasMove(model, alias, at === undefined ? undefined : new Date(at).toISOString())
    if (move?.version === undefined) throw unknownAlias(model, alias, at)
    return c.json(move, 200, at === undefined ? { etag: etagOf(move) } : {})
  })
  app.openapi(history, async (c) => {
    const { model, alias } = c.req.valid('param')
    const { cursor, limit } = c.req.valid('query')
    const query = ['aliases', model, alias]
    const items = await store.models.aliasMoves(model, alias, {
      before: positionOf(query, cursor, z.int()),
      limit: limit + 1,
    })
    if (items.length === 0 && cursor === undefined) throw unknownAlias(model, alias)
    return c.json(
      pageOf(items, limit, query, (last) => last.id),
      200,
    )
  })
  app.openapi(put, async (c) => {
    const { model, alias } = c.req.valid('param')
    const { version, why } = c.req.valid('json')
    const by = c.get('caller')?.token
    const at = new Date(now()).toISOString()
    const move = await store.models.moveAlias(model, { alias, version, by, why }, at, (last) =>
      demandMatch(c, alias, last),
    )
    log({ level: 'info', event: 'alias moved', model, ...move })
    return c.json(move, 200, { etag: etagOf(move) })
  })
  app.openapi(remove, async (c) => {
    const { model, alias } = c.req.valid('param')
    const removal = removalOf(services, `alias ${alias} of ${model}`, c)
    if (!(await store.repositories.removeManifest(model, { tag: alias }, removal))) throw unknownAlias(model, alias)
    log({ level: 'info', event: 'alias deleted', model, alias })
    return c.body(null, 204)
  })
}

// RFC 9110, 13.1.1 and 13.1.2.
function demandMatch(c: Context<AppEnv>, alias: string, last: AliasMove | undefined): void {
  const isThere = last?.version !== undefined
  const match = c.req.header('if-match')
  if (c.req.header('if-none-match')?.trim() === '*') {
    if (isThere) throw new SelvedgeError('PRECONDITION_FAILED', `alias ${alias} points to ${last.version} already`)
    return
  }
  if (match === undefined) {
    if (isThere) throw new SelvedgeError('PRECONDITION_REQUIRED', `alias ${alias} is moved with If-Match alone`)
    return
  }
  const accepted = match.split(',').map((tag) => tag.trim())
  if (isThere && (accepted.includes('*') || accepted.includes(etagOf(last)))) return
  const now = isThere ? `points to ${last.version} with ${etagOf(last)}` : 'points nowhere'
  throw new SelvedgeError('PRECONDITION_FAILED', `alias ${alias} ${now}, If-Match says ${match}`)
}

function etagOf({ id }: AliasMove): string {
  return `"${id}"`
}

function unknownAlias(model: string, alias: string, at?: string): SelvedgeError {
  const when = at === undefined ? '' : ` at ${at}`
  return new SelvedgeError('NOT_FOUND', `model ${model} has no alias ${alias}${when}`, { model, alias })
}
