/** Experiments over HTTP. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { experiment } from '../../runtime/contract/experiment.ts'
import { name, timestamp } from '../../runtime/contract/names.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import { findDeployment } from '../endpoints/rules.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { jsonAnswer } from '../http/openapi.ts'
import { readExperiment } from './experiment.ts'

const get = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/experiment',
  summary: 'What a deployment changes against another, from exposures and outcomes of units; true at every look',
  request: {
    params: z.object({ endpoint: name }),
    query: z.strictObject({
      outcome: z.string().min(1).max(128).describe('name of the value in outcomes'),
      control: name,
      treatment: name,
      alpha: z.coerce.number().min(0.0001).max(0.5).default(0.05),
      from: timestamp.optional(),
      to: timestamp.optional(),
    }),
  },
  responses: { 200: jsonAnswer(experiment) },
})

export function experimentRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  app.openapi(get, async (c) => {
    const state = await findEndpoint(services, c.req.valid('param').endpoint)
    const { from, to, ...query } = c.req.valid('query')
    for (const deployment of [query.control, query.treatment]) findDeployment(state, deployment)
    const found = await readExperiment(services.store, {
      endpoint: state.name,
      ...query,
      from: from === undefined ? state.createdAt : new Date(from).toISOString(),
      to: new Date(to ?? services.now()).toISOString(),
    })
    return c.json(found, 200)
  })
}
