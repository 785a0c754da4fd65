/** ONNX Runtime's files and the page client for browsers, and the demo page. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { AppEnv } from '../http/env.ts'
import type { StaticFile } from './files.ts'
import { ortVersion } from './version.ts'

export interface Assets {
  /** Served under `/runtime/<ort version>/`. */
  runtime: ReadonlyMap<string, StaticFile>
  /** Served under `/demo/`. */
  demo: ReadonlyMap<string, StaticFile>
  /** Where the demo page may send requests besides the registry. */
  scoringUrl: string
}

export function assetRoutes(app: OpenAPIHono<AppEnv>, { runtime, demo, scoringUrl }: Assets): void {
  const demoPolicy = [
    "default-src 'self'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "worker-src 'self' blob:",
    `connect-src 'self' ${new URL(scoringUrl).origin}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ')

  app.get('/runtime/:ort/:file', (c) => {
    const file = c.req.param('ort') === ortVersion ? runtime.get(c.req.param('file')) : undefined
    if (file === undefined) throw new SelvedgeError('NOT_FOUND', 'there is no such runtime file')
    // ONNX Runtime's files change with its version alone; ours change with every Selvedge under the same address.
    const isOrt = file.path.endsWith('.wasm')
    return send(c, file, { 'cache-control': isOrt ? 'public, max-age=31536000, immutable' : 'no-cache' })
  })
  app.get('/demo', (c) => c.redirect('/demo/'))
  app.get('/demo/*', (c) => {
    const name = c.req.path.slice('/demo/'.length) || 'index.html'
    const file = demo.get(name)
    if (file === undefined) throw new SelvedgeError('NOT_FOUND', 'there is no such page')
    return send(c, file, { 'cache-control': 'no-cache', 'content-security-policy': demoPolicy })
  })
}

function send(c: Context<AppEnv>, file: StaticFile, headers: Record<string, string>): Response {
  const etag = `"${file.digest}"`
  if (c.req.header('if-none-match')?.includes(etag)) return c.body(null, 304, { ...headers, etag })
  const all = { ...headers, etag, 'content-type': file.contentType, 'content-length': String(file.size) }
  if (c.req.method === 'HEAD') return c.body(null, 200, all)
  return c.body(Readable.toWeb(createReadStream(file.path)) as ReadableStream, 200, all)
}
