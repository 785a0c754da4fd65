/** The bench's page as an application has it: built by Vite, with `selvedge/browser` as the package ships it. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { isModel, models } from '../workloads/models.ts'

export interface Site {
  url: string
  close(): void
}

const root = fileURLToPath(new URL('../page/', import.meta.url))
const client = fileURLToPath(new URL('../../dist/browser/client.js', import.meta.url))

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.onnx': 'application/octet-stream',
  '.json': 'application/json',
}

/** Why there is no page to measure; undefined where there is one. */
export function absentBuild(): string | undefined {
  return existsSync(client) ? undefined : 'not built: npm run assets'
}

/** Serves `/`, and models under `/models/<name>.onnx` and as transformers.js has them, under `/peer/`; everything but the page itself may be cached for ever. */
export async function openSite(): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'selvedge-bench-site-'))
  await build({
    configFile: false,
    root,
    base: './',
    logLevel: 'error',
    build: { outDir: folder, emptyOutDir: true, target: 'es2024' },
    worker: { format: 'es' },
    plugins: [{ name: 'built-client', enforce: 'pre', resolveId: (source) => (isClient(source) ? client : undefined) }],
  })
  const server = createServer(async ({ url = '/' }, response) => {
    const path = new URL(url, 'http://site').pathname
    try {
      const body = await read(folder, path === '/' ? '/index.html' : path)
      response.writeHead(200, {
        'content-type': types[extname(path)] ?? 'text/html',
        'content-length': body.length,
        'cache-control': path === '/' ? 'no-cache' : 'public, max-age=31536000, immutable',
      })
      response.end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      server.closeAllConnections()
      server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function isClient(source: string): boolean {
  return source.endsWith('/browser/client.ts')
}

async function read(folder: string, path: string): Promise<Uint8Array> {
  const model = /^\/(?:models\/(\w+)|peer\/(\w+)\/onnx\/model)\.onnx$/.exec(path)
  const name = model?.[1] ?? model?.[2]
  if (isModel(name)) return models[name].read()
  // What transformers.js asks of every model.
  if (/^\/peer\/\w+\/config\.json$/.test(path)) return Buffer.from('{"model_type":"selvedge-bench"}')
  return await readFile(join(folder, path))
}
