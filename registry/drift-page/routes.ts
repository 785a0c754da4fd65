/** Drift to look at: a page of the registry, and the same as one file. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { name } from '../../runtime/contract/names.ts'
import { renderFile, renderPage } from '../console/page.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { invalidRequest } from '../http/errors.ts'
import { driftQuery, readDrift } from '../monitor/routes.ts'
import { driftDocumentOf } from './document.ts'
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
    return renderPage(c, driftTitle(report), driftPage(await driftDocumentOf(services, report)))
  })
  app.openapi(file, async (c) => {
    const report = await readDrift(services, c.req.valid('param').endpoint, c.req.valid('query'))
    const saved = `drift-${report.endpoint}-${report.at.slice(0, 10)}.html`
    return await renderFile(c, saved, driftTitle(report), driftPage(await driftDocumentOf(services, report)))
  })
}
