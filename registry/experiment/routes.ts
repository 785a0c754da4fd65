/** Experiments over HTTP: as JSON, as a page of the registry, and the same as one file. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { html } from 'hono/html'
import { experiment } from '../../runtime/contract/experiment.ts'
import { name, timestamp } from '../../runtime/contract/names.ts'
import { renderFile, renderPage } from '../console/page.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import { findDeployment } from '../endpoints/rules.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { invalidRequest } from '../http/errors.ts'
import { jsonAnswer } from '../http/openapi.ts'
import type { EndpointState } from '../store/store.ts'
import { chooseArms } from './arms.ts'
import { type ExperimentQuery, readExperiment, readExperiments } from './experiment.ts'
import { type ExperimentDocument, experimentNav, experimentPage, experimentTitle, noOutcome } from './page.ts'

const outcome = z.string().min(1).max(128)

const armsQuery = z.strictObject({
  control: name.optional().describe('default: of the last split of several deployments the one with the most traffic'),
  treatment: name.optional().describe('default: of the others the one with the most'),
  alpha: z.coerce.number().min(0.0001).max(0.5).default(0.05),
  from: timestamp.optional().describe('default: since the endpoint is there'),
  to: timestamp.optional(),
})

const pageQuery = armsQuery.extend({ outcome: outcome.optional().describe('default: all that hosts tell of') })

const params = z.object({ endpoint: name })

const get = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/experiment',
  summary: 'What a deployment changes against another, from exposures and outcomes of units; true at every look',
  request: { params, query: armsQuery.extend({ outcome: outcome.describe('name of the value in outcomes') }) },
  responses: { 200: jsonAnswer(experiment) },
})

const file = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/experiment.html',
  summary: 'The experiment page as one file, with all of its numbers',
  request: { params, query: pageQuery },
  responses: { 200: { description: 'Done', content: { 'text/html': { schema: z.string() } } } },
})

/** Outcomes on one page. */
const mostOutcomes = 12

export function experimentRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  app.openapi(get, async (c) => {
    const { outcome: asked, ...query } = c.req.valid('query')
    const { query: arms } = await queryOf(services, c.req.valid('param').endpoint, query)
    return c.json(await readExperiment(services.store, arms, asked), 200)
  })
  app.get('/endpoints/:endpoint/experiment', async (c) => {
    const asked = pageQuery.safeParse(c.req.query())
    if (!asked.success) throw invalidRequest('query', asked.error)
    const document = await documentOf(services, c.req.param('endpoint'), asked.data)
    return renderPage(c, experimentTitle(document), html`${experimentNav(document)}${experimentPage(document)}`)
  })
  app.openapi(file, async (c) => {
    const document = await documentOf(services, c.req.valid('param').endpoint, c.req.valid('query'))
    const saved = `experiment-${document.endpoint}-${document.to.slice(0, 10)}.html`
    return await renderFile(c, saved, experimentTitle(document), experimentPage(document))
  })
}

async function documentOf(
  services: Services,
  endpoint: string,
  { outcome: asked, ...rest }: z.infer<typeof pageQuery>,
): Promise<ExperimentDocument> {
  const { state, query } = await queryOf(services, endpoint, rest)
  const told = await services.store.experiments.outcomes(state.name)
  const outcomes = asked === undefined ? told.slice(0, mostOutcomes) : [asked]
  // Where none was told there still are units.
  const experiments = await readExperiments(services.store, query, outcomes.length > 0 ? outcomes : [noOutcome])
  return { ...query, deployments: state.deployments.map((each) => each.name), told, asked, experiments }
}

/** @throws {@link SelvedgeError} `ENDPOINT_UNKNOWN`, `DEPLOYMENT_UNKNOWN`, `INVALID_REQUEST` where there are not two */
async function queryOf(
  services: Services,
  endpoint: string,
  { from, to, alpha, control, treatment }: z.infer<typeof armsQuery>,
): Promise<{ state: EndpointState; query: ExperimentQuery }> {
  const { store, now } = services
  const state = await findEndpoint(services, endpoint)
  for (const deployment of [control, treatment]) {
    if (deployment !== undefined) findDeployment(state, deployment)
  }
  const until = new Date(to ?? now()).toISOString()
  const arms = chooseArms(state, await store.experiments.splits(state.name, until), { control, treatment })
  const since = from === undefined ? state.createdAt : new Date(from).toISOString()
  return { state, query: { endpoint: state.name, ...arms, alpha, from: since, to: until } }
}
