/** The status page. */
import type { OpenAPIHono } from '@hono/zod-openapi'
import { html } from 'hono/html'
import type { Assets } from '../assets/routes.ts'
import type { AppEnv, Services } from '../http/env.ts'
import { renderPage } from './page.ts'

export function consoleRoutes(app: OpenAPIHono<AppEnv>, _services: Services, _assets: Assets): void {
  app.get('/', (c) => renderPage(c, 'Status', html`<h1>Status</h1>`))
}
