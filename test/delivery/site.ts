/** A static server of one folder on an origin of its own, with the headers of the case. */
import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import type { Server } from './apps.ts'

export const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
}

/** The strict policy that browser/README.md documents, and all that an application of its own needs beside it. */
export function strictPolicy(
  registry: string,
  more: { script?: string; worker?: string } = {},
): { 'content-security-policy': string } {
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval'${more.script === undefined ? '' : ` ${more.script}`}`,
    ...(more.worker === undefined ? [] : [`worker-src ${more.worker}`]),
    `connect-src 'self' ${registry}`,
    'img-src data:',
  ]
  return { 'content-security-policy': policy.join('; ') }
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
}

/** The headers go with every answer, a worker's too: it takes its own policy from there. */
export async function serveFolder(folder: string, headers: Record<string, string> = {}): Promise<Server> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://site').pathname)
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path)
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
      response.writeHead(404).end()
      return
    }
    response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream')
    createReadStream(file).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
