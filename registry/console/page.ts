/** The frame of every page that the registry renders: no script, nothing from elsewhere. */
import type { Context } from 'hono'
import { html } from 'hono/html'
import type { AppEnv } from '../http/env.ts'
import { style } from './style.ts'

export type Html = ReturnType<typeof html>

const policy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export function renderPage(c: Context<AppEnv>, title: string, body: Html): Response | Promise<Response> {
  c.header('content-security-policy', policy)
  c.header('cache-control', 'no-store')
  const header = html`<p><a href="/">Selvedge</a> registry</p><nav aria-label="Pages"><a href="/">Status</a> <a href="/docs">Routes</a></nav>`
  return c.html(frame(title, header, body))
}

/** The same as a file that needs no registry. */
export function renderFile(c: Context<AppEnv>, name: string, title: string, body: Html): Response | Promise<Response> {
  c.header('content-security-policy', policy)
  c.header('cache-control', 'no-store')
  c.header('content-disposition', `attachment; filename="${name}"`)
  return c.html(frame(title, html`<p>Selvedge</p>`, body))
}

function frame(title: string, header: Html, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${title} · Selvedge</title>
<style>${style}</style>
</head>
<body>
<header>${header}</header>
<main>${body}</main>
</body>
</html>`
}
