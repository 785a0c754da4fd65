/** The frame of every page that the registry renders: no script, nothing from elsewhere. */
import type { Context } from 'hono'
import { html } from 'hono/html'
import type { AppEnv } from '../http/env.ts'
import { style } from './style.ts'

export type Html = ReturnType<typeof html>

export function renderPage(c: Context<AppEnv>, title: string, body: Html): Response | Promise<Response> {
  c.header(
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  c.header('cache-control', 'no-store')
  return c.html(
    html`<!doctype html>
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
<header><p><a href="/">Selvedge</a> registry</p><nav aria-label="Pages"><a href="/">Status</a> <a href="/docs">Routes</a></nav></header>
<main>${body}</main>
</body>
</html>`,
  )
}
