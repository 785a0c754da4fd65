/** Models and their versions over HTTP; they are pushed through `/v2`. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { type Model, model, modelVersion, page } from '../../runtime/contract/control.ts'
import { name } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { type Attribute, attributes, type Filter, parseFilter } from '../filter/grammar.ts'
import type { AppEnv, Caller, Services } from '../http/env.ts'
import { jsonAnswer } from '../http/openapi.ts'
import { pageOf, pageQuery, positionOf } from '../http/pages.ts'
import type { VersionRecord } from '../store/store.ts'

const params = z.object({ model: name })
/** Where a page of models ended. */
const modelPosition = z.strictObject({ value: z.union([z.string(), z.number()]), name: z.string() })
const filterText = z.string().optional()
const orderText = z
  .string()
  .regex(new RegExp(`^(${attributes.join('|')})( (ASC|DESC))?$`))
  .default('name')

const list = createRoute({
  method: 'get',
  path: '/api/v1/models',
  summary: 'Models whose newest version a filter finds, by name or in another order',
  request: { query: pageQuery.extend({ filter: filterText, order_by: orderText }) },
  responses: { 200: jsonAnswer(page(model)) },
})

const get = createRoute({
  method: 'get',
  path: '/api/v1/models/{model}',
  summary: 'One model',
  request: { params },
  responses: { 200: jsonAnswer(model) },
})

const versions = createRoute({
  method: 'get',
  path: '/api/v1/models/{model}/versions',
  summary: 'Versions of a model that a filter finds, the newest first',
  request: { params, query: pageQuery.extend({ filter: filterText }) },
  responses: { 200: jsonAnswer(page(modelVersion)) },
})

const version = createRoute({
  method: 'get',
  path: '/api/v1/models/{model}/versions/{version}',
  summary: 'One version',
  request: { params: z.object({ model: name, version: z.coerce.number().int().min(1) }) },
  responses: { 200: jsonAnswer(modelVersion) },
})

export function modelRoutes(app: OpenAPIHono<AppEnv>, { store }: Services): void {
  async function findModel(name: string) {
    const found = await store.models.model(name)
    if (found === undefined) throw new SelvedgeError('NAME_UNKNOWN', `there is no model ${name}`, { model: name })
    return found
  }

  app.openapi(list, async (c) => {
    const { cursor, limit, filter, order_by } = c.req.valid('query')
    const query = ['models', filter, order_by]
    const order = parseOrder(order_by)
    const items = await store.models.models({
      filter: inScope(c.get('caller'), filter === undefined ? undefined : parseFilter(filter)),
      order,
      after: positionOf(query, cursor, modelPosition),
      limit: limit + 1,
    })
    const page = pageOf(items, limit, query, (last) => ({ value: orderedValue(last, order.by), name: last.name }))
    return c.json(page, 200)
  })
  app.openapi(get, async (c) => c.json(await findModel(c.req.valid('param').model), 200))
  app.openapi(versions, async (c) => {
    const { name } = await findModel(c.req.valid('param').model)
    const { cursor, limit, filter } = c.req.valid('query')
    const query = ['versions', name, filter]
    const items = await store.models.versions(name, {
      filter: filter === undefined ? undefined : parseFilter(filter),
      before: positionOf(query, cursor, z.int()),
      limit: limit + 1,
    })
    return c.json(
      pageOf(items.map(publicPart), limit, query, (last) => last.version),
      200,
    )
  })
  app.openapi(version, async (c) => {
    const { model, version } = c.req.valid('param')
    const { name } = await findModel(model)
    const found = await store.models.version(name, version)
    if (found === undefined) {
      throw new SelvedgeError('NOT_FOUND', `model ${name} has no version ${version}`, { model: name, version })
    }
    return c.json(publicPart(found), 200)
  })
}

function publicPart({ plan: _, ...version }: VersionRecord) {
  return version
}

function parseOrder(text: string): { by: Attribute; descending: boolean } {
  const [by, direction] = text.split(' ')
  return { by: attributes.find((each) => each === by) ?? 'name', descending: direction === 'DESC' }
}

function orderedValue({ name, createdAt, latestVersion }: Model, by: Attribute): string | number {
  return { name, created_at: createdAt, version_number: latestVersion }[by]
}

function inScope(caller: Caller | undefined, filter: Filter | undefined): Filter | undefined {
  if (caller?.models === undefined) return filter
  const scope: Filter = { field: { attribute: 'name' }, in: [...caller.models] }
  return filter === undefined ? scope : { and: [scope, filter] }
}
