/** What monitors say to look at: a page of the registry, and that of drift as one file, too. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { html } from 'hono/html'
import { name } from '../../runtime/contract/names.ts'
import { renderFile, renderPage } from '../console/page.ts'
import { findEndpoint } from '../endpoints/routes.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { invalidRequest } from '../http/errors.ts'
import { driftQuery, readDrift, readReport } from '../monitor/routes.ts'
import { alarmsOf, driftDocumentOf, looksOf } from './document.ts'
import { monitorNav } from './nav.ts'
import { driftPage, driftTitle } from './page.ts'
import { signalPage, signalTitle } from './signal.ts'

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
    const { monitor, ...query } = asked.data
    const report = await readReport(services, c.req.param('endpoint'), monitor, query)
    const { store } = services
    const isPast = query.at !== undefined
    const nav = await monitorNav(store, await findEndpoint(services, report.endpoint), report)
    if ('features' in report) {
      const document = await driftDocumentOf(services, report, isPast)
      return renderPage(c, driftTitle(report), html`${nav}${driftPage(document)}`)
    }
    const kept = { looks: await looksOf(store, report), alarms: isPast ? [] : await alarmsOf(store, report) }
    return renderPage(c, signalTitle(report), html`${nav}${signalPage(report, kept)}`)
  })
  app.openapi(file, async (c) => {
    const query = c.req.valid('query')
    const report = await readDrift(services, c.req.valid('param').endpoint, query)
    const document = await driftDocumentOf(services, report, query.at !== undefined)
    const saved = `drift-${report.endpoint}-${report.at.slice(0, 10)}.html`
    return await renderFile(c, saved, driftTitle(report), driftPage(document))
  })
}
