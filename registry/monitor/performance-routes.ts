/** Performance over HTTP. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { page } from '../../runtime/contract/control.ts'
import { duration, durationMs } from '../../runtime/contract/monitor.ts'
import { name, timestamp } from '../../runtime/contract/names.ts'
import { performanceWindow } from '../../runtime/contract/performance.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer } from '../http/openapi.ts'
import { performanceOf } from './performance.ts'

const mostWindows = 100

const get = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/performance',
  summary: 'How good each deployment was, window by window: from outcomes, and by CBPE where the baseline had some',
  request: {
    params: z.object({ endpoint: name }),
    query: z.strictObject({
      outcome: z
        .string()
        .min(1)
        .max(128)
        .optional()
        .openapi({ description: 'name of the value that says what was true' }),
      deployment: name.optional(),
      window: duration.default('1d'),
      /** Default: 30 windows ago. */
      since: timestamp.optional(),
    }),
  },
  responses: { 200: jsonAnswer(page(performanceWindow)) },
})

export function performanceRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  const { store, now } = services

  app.openapi(get, async (c) => {
    const endpoint = await findEndpoint(services, c.req.valid('param').endpoint)
    const { outcome, deployment, window, since } = c.req.valid('query')
    const windowMs = durationMs(window)
    // The window that runs now counts whole: a host's clock may be ahead.
    const to = now() - (now() % windowMs) + windowMs
    const asked = since === undefined ? to - 30 * windowMs : Date.parse(since)
    const from = asked - (asked % windowMs)
    if ((to - from) / windowMs > mostWindows) {
      throw new SelvedgeError('INVALID_REQUEST', `since ${since} is more than ${mostWindows} windows of ${window} ago`)
    }
    const served = (await store.endpoints.served(endpoint.name)).flatMap((each) => {
      const isAsked = deployment === undefined || each.deployment === deployment
      return isAsked && each.spec !== undefined ? [{ ...each, spec: each.spec }] : []
    })
    const items = await performanceOf(store, served, { endpoint: endpoint.name, outcome, from, to, windowMs })
    return c.json({ items }, 200)
  })
}
