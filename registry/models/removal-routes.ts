/** Deleting models and versions over HTTP. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { name } from '../../runtime/contract/names.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { removalOf } from './holders.ts'

const removeModel = createRoute({
  method: 'delete',
  path: '/api/v1/models/{model}',
  summary: 'Delete a model with all its versions and aliases, unless one of them serves',
  request: { params: z.object({ model: name }) },
  responses: { 204: { description: 'Deleted' } },
})

const removeVersion = createRoute({
  method: 'delete',
  path: '/api/v1/models/{model}/versions/{version}',
  summary: 'Delete a version that nothing holds; its number is never given again',
  request: { params: z.object({ model: name, version: z.coerce.number().int().min(1) }) },
  responses: { 204: { description: 'Deleted' } },
})

export function removalRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, log } = services

  app.openapi(removeModel, async (c) => {
    const { model } = c.req.valid('param')
    if (!(await store.models.removeModel(model, removalOf(services, `model ${model}`, c)))) {
      throw new SelvedgeError('NAME_UNKNOWN', `there is no model ${model}`, { model })
    }
    log({ level: 'info', event: 'model deleted', model })
    return c.body(null, 204)
  })
  app.openapi(removeVersion, async (c) => {
    const { model, version } = c.req.valid('param')
    const removal = removalOf(services, `${model} version ${version}`, c)
    if (!(await store.models.removeVersion(model, version, removal))) {
      throw new SelvedgeError('NOT_FOUND', `model ${model} has no version ${version}`, { model, version })
    }
    log({ level: 'info', event: 'version deleted', model, version })
    return c.body(null, 204)
  })
}
