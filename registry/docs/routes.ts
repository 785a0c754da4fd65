/** The routes of the control plane for programs (OpenAPI 3.1) and for readers. */
import type { OpenAPIHono } from '@hono/zod-openapi'
import { html } from 'hono/html'
import { policy } from '../auth/policy.ts'
import { renderPage } from '../console/page.ts'
import type { AppEnv } from '../http/env.ts'
import { isOci } from '../http/errors.ts'
import { refusal } from '../http/openapi.ts'

const info = {
  openapi: '3.1.0',
  info: {
    title: 'Selvedge registry',
    version: '1',
    description: 'Control plane of Selvedge. Models are pushed and pulled through /v2, OCI Distribution 1.1.',
  },
  security: [{ token: [] }],
}

export function docsRoutes(app: OpenAPIHono<AppEnv>): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' })

  app.get('/openapi.json', (c) => c.json(documentOf(app)))
  app.get('/docs', (c) => {
    const summaries = summariesOf(app)
    const rows = policy.map(
      ({ method, path, role }) =>
        html`<tr><td><code>${method} ${path.replace('{.+}', '')}</code></td><td>${role}</td><td>${summaries.get(`${method} ${path}`) ?? (isOci(path) ? 'OCI Distribution 1.1' : '')}</td></tr>`,
    )
    return renderPage(
      c,
      'Routes',
      html`<h1>Routes</h1>
<p>The least role that may call each; <code>open</code> needs no token. Schemas: <a href="/openapi.json">/openapi.json</a>.</p>
<table><caption>Routes of the registry</caption>
<thead><tr><th scope="col">Route</th><th scope="col">Role</th><th scope="col">What it does</th></tr></thead>
<tbody>${rows}</tbody></table>`,
    )
  })
}

/** Every operation with its least role and the form of its refusals. */
function documentOf(app: OpenAPIHono<AppEnv>) {
  const document = app.getOpenAPI31Document(info)
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item)) {
      const row = policy.find((each) => each.method === method.toUpperCase() && braces(each.path) === path)
      Object.assign(operation, { 'x-role': row?.role, ...(row?.role === 'open' && { security: [] }) })
      operation.responses.default = {
        description: refusal.description,
        content: { 'application/problem+json': { schema: problemSchema } },
      }
    }
  }
  return document
}

const text = { type: 'string' }
const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'next'],
  properties: { type: text, title: text, status: { type: 'integer' }, detail: text, next: text },
}

function summariesOf(app: OpenAPIHono<AppEnv>): Map<string, string> {
  const summaries = new Map<string, string>()
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue
    const { method, path, summary } = definition.route
    summaries.set(`${method.toUpperCase()} ${path.replaceAll(/{(\w+)}/g, ':$1')}`, summary ?? '')
  }
  return summaries
}

function braces(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}')
}
