/** Drift to look at: a page of the registry, and the same as one file. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { html } from 'hono/html'
import { name } from '../../runtime/contract/names.ts'
import { renderFile, renderPage } from '../console/page.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { invalidRequest } from '../http/errors.ts'
import { driftQuery, readDrift } from '../monitor/routes.ts'
import { driftDocumentOf } from './document.ts'
import { driftNav } from './nav.ts'
import { driftPage, driftTitle } from './page.ts'

const file = createRoute({
  method: 'get',
  path: '/api/v1/endpoints/{endpoint}/drift.html',
  summary: 'The drift page as one file, with the numbers from which its verdicts can be made again',
  request: { params: z.object({ endpoint: name }), query: driftQuery },
  responses: { 200: { description: 'Done', content: { 'text/html': { schema: z.string() } } } },
})

export function driftPageRoutes(app: OpenAPIHono<AppEnv>, services: Services): void {
  app.get('/endpoints/:endpoint/drift', async (c) => {
    const asked = driftQuery.safeParse(c.req.query())
    if (!asked.success) throw invalidRequest('query', asked.error)
    const report = await readDrift(services, c.req.param('endpoint'), asked.data)
    const endpoint = await findEndpoint(services, report.endpoint)
    const nav = await driftNav(services.store, endpoint, report)
    const document = await driftDocumentOf(services, report, asked.data.at !== undefined)
    return renderPage(c, driftTitle(report), html`${nav}${driftPage(document)}`)
  })
  app.openapi(file, async (c) => {
    const query = c.req.valid('query')
    const report = await readDrift(services, c.req.valid('param').endpoint, query)
    const document = await driftDocumentOf(services, report, query.at !== undefined)
    const saved = `drift-${report.endpoint}-${report.at.slice(0, 10)}.html`
    return await renderFile(c, saved, driftTitle(report), driftPage(document))
  })
}
