/** Garbage collection over HTTP, for admins; it also runs every hour. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { count } from '../../runtime/contract/names.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer, jsonRequest } from '../http/openapi.ts'
import { collectGarbage } from './collect.ts'

const collect = createRoute({
  method: 'post',
  path: '/api/v1/gc',
  summary: 'Remove blobs that no manifest needs and uploads that nobody finishes; with dryRun, only count them',
  request: { body: jsonRequest(z.strictObject({ dryRun: z.boolean().default(false) })) },
  responses: { 200: jsonAnswer(z.object({ dryRun: z.boolean(), blobs: count, bytes: count, uploads: count })) },
})

export function garbageRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  app.openapi(collect, async (c) => {
    const { dryRun } = c.req.valid('json')
    const collected = await collectGarbage(services, dryRun)
    if (!dryRun) services.log({ level: 'info', event: 'garbage collected', ...collected })
    return c.json({ dryRun, ...collected }, 200)
  })
}
