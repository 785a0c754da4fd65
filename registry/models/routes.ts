/** Models and their versions over HTTP; they are pushed through `/v2`. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { model, modelVersion, page } from '../../runtime/contract/control.ts'
import { name } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { seesModel } from '../auth/scope.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer, pageOf, pageQuery } from '../http/openapi.ts'
import type { VersionRecord } from '../store/store.ts'

const params = z.object({ model: name })

const list = createRoute({
  method: 'get',
  path: '/api/v1/models',
  summary: 'Models by name',
  request: { query: pageQuery },
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
  summary: 'Versions of a model, the newest first',
  request: { params, query: pageQuery },
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
    const { cursor, limit } = c.req.valid('query')
    const items = await store.models.models({ after: cursor, limit: limit + 1 })
    const page = pageOf(items, limit, (last) => last.name)
    return c.json({ ...page, items: page.items.filter(({ name }) => seesModel(c.get('caller'), name)) }, 200)
  })
  app.openapi(get, async (c) => c.json(await findModel(c.req.valid('param').model), 200))
  app.openapi(versions, async (c) => {
    const { name } = await findModel(c.req.valid('param').model)
    const { cursor, limit } = c.req.valid('query')
    const items = await store.models.versions(name, { before: parseCursor(cursor), limit: limit + 1 })
    return c.json(
      pageOf(items.map(publicPart), limit, (last) => String(last.version)),
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

function parseCursor(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined
  if (/^[1-9]\d{0,14}$/.test(cursor)) return Number(cursor)
  throw new SelvedgeError('INVALID_REQUEST', 'query cursor: this cursor was not given out by this list')
}
