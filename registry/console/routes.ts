/** The status page: models, endpoints, hosts and counts on one page that needs no script. */
import type { OpenAPIHono } from '@hono/zod-openapi'
import { html } from 'hono/html'
import type { Assets } from '../assets/routes.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { formatTime } from './format.ts'
import { renderPage } from './page.ts'
import { endpointSection, modelsSection } from './sections.ts'
import { readStatus } from './status.ts'

export function consoleRoutes(app: OpenAPIHono<AppEnv>, services: Services, { demo, scoringUrl }: Assets): void {
  app.get('/', async (c) => {
    const status = await readStatus(services)
    const at = new Date(services.now()).toISOString()
    return renderPage(
      c,
      'Status',
      html`<h1>Status</h1>
<p class="dim">As of <time datetime="${at}">${formatTime(at)}</time> · plans are signed with <code>${services.key.pin}</code></p>
<p>Scoring: <a href="${scoringUrl}/v2/models">${scoringUrl}</a>${demo.size > 0 ? html` · <a href="/demo/">Demo page</a>` : ''}</p>
${modelsSection(status)}
${status.endpoints.length === 0 ? html`<h2>Endpoints</h2><p>None yet: <code>selvedge deploy ENDPOINT/DEPLOYMENT --model NAME</code> makes one.</p>` : status.endpoints.map(endpointSection)}`,
    )
  })
}
