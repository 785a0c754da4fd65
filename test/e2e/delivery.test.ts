/** How the page's worker gets there, and what a page is told whose policy stands in the way (browser/README.md). */
import type { ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { type Demo, pageHtml, pageModule } from '../delivery/apps.ts'
import { isolation, serveFolder, strictPolicy } from '../delivery/site.ts'
import { startCommand, startedOf } from '../server/cli/command.ts'

const built = fileURLToPath(new URL('../../dist/browser/', import.meta.url))

interface Delivered {
  class?: string
  error?: string
}

type Site = 'own' | 'foreign' | 'trusting' | 'aborting'

interface Case {
  headers?: Record<string, string>
  /** Before the page is opened. */
  prepare?(context: BrowserContext): Promise<unknown>
  /** When it has its answer. */
  look?(page: Page): Promise<unknown>
}

describe('delivery', () => {
  let folder: string
  let up: ChildProcess
  let demo: Demo
  let browser: Browser

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-delivery-'))
    const ports = ['--registry-port', '0', '--scoring-port', '0', '--scorers', '1']
    up = startCommand(['up', '--demo', '--json', '--data', join(folder, 'data'), ...ports])
    const started = (await startedOf(up)) as unknown as {
      registry: string
      keys: [string]
      demo: { pageToken: string }
    }
    demo = { registry: new URL(started.registry).origin, key: started.keys[0], token: started.demo.pageToken }
    writeSite('own', './selvedge/client.js')
    mkdirSync(join(folder, 'own/selvedge'))
    for (const file of ['client.js', 'worker.js']) cpSync(built + file, join(folder, 'own/selvedge', file))
    writeSite('foreign', `${demo.registry}/runtime/1.30.0/client.js`)
    const trust = `trustedTypes.createPolicy('default', {
      createScriptURL: (url) => (/\\/worker\\.js$|^blob:/.test(url) ? url : null),
    })`
    writeSite('trusting', './selvedge/client.js', trust)
    cpSync(join(folder, 'own/selvedge'), join(folder, 'trusting/selvedge'), { recursive: true })
    writeSite('aborting', './selvedge/client.js')
    cpSync(join(folder, 'own/selvedge'), join(folder, 'aborting/selvedge'), { recursive: true })
    writeFileSync(join(folder, 'aborting/main.js'), abortingModule(demo))
    browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
  })

  afterAll(async () => {
    await browser?.close()
    up?.kill('SIGTERM')
    if (up !== undefined && up.exitCode === null) await new Promise((resolve) => up.once('exit', resolve))
    rmSync(folder, { recursive: true, force: true })
  })

  function writeSite(name: string, from: string, before = ''): void {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'index.html'), pageHtml('<script type="module" src="main.js"></script>'))
    writeFileSync(join(folder, name, 'main.js'), `${before}\n${pageModule(from, demo)}`)
  }

  /** What the page got, and where its workers came from. */
  async function deliver(site: Site, { headers, prepare, look }: Case = {}) {
    const server = await serveFolder(join(folder, site), headers)
    const context = await browser.newContext()
    try {
      await prepare?.(context)
      const page = await context.newPage()
      const workers: string[] = []
      page.on('worker', (worker) => workers.push(new URL(worker.url()).protocol))
      await page.goto(`${server.url}/`)
      await page.waitForFunction(() => 'delivered' in globalThis, undefined, { timeout: 30_000 })
      const delivered = await page.evaluate<Delivered>('delivered')
      await look?.(page)
      return { ...delivered, workers }
    } finally {
      await context.close()
      await server.close()
    }
  }

  const abort = (pattern: RegExp) => (context: BrowserContext) => context.route(pattern, (route) => route.abort())

  test('the page module takes at most 8,000 bytes of a download', () => {
    expect(gzipSync(readFileSync(`${built}client.js`), { level: 9 }).length).toBeLessThanOrEqual(8000)
  })

  test('a module beside its worker starts it from the file', async () => {
    expect(await deliver('own')).toMatchObject({ class: 'Adelie', workers: ['http:'] })
  })

  test('a module of another origin starts its worker from the text', async () => {
    expect(await deliver('foreign')).toMatchObject({ class: 'Adelie', workers: ['blob:'] })
  })

  test('a worker that is not beside its module comes from the registry', async () => {
    const delivered = await deliver('own', { prepare: abort(/\/selvedge\/worker\.js/) })
    expect(delivered).toMatchObject({ class: 'Adelie', workers: expect.arrayContaining(['blob:']) })
  })

  test('an isolated page whose worker comes without its headers scores', async () => {
    const delivered = await deliver('own', {
      headers: isolation,
      async prepare(context) {
        await context.route(/\/selvedge\/worker\.js/, async (route) => {
          const response = await route.fetch()
          await route.fulfill({ response, headers: { 'content-type': 'text/javascript' } })
        })
      },
    })
    expect(delivered).toMatchObject({ class: 'Adelie' })
  })

  test('a load that is aborted while its worker starts leaves no worker', async () => {
    const delivered = await deliver('aborting', {
      look: (page) => expect.poll(() => page.workers().length).toBe(0),
    })
    expect(delivered).toMatchObject({ error: 'AbortError' })
  })

  test('a worker whose text is not that of its module is refused', async () => {
    const delivered = await deliver('foreign', {
      async prepare(context) {
        await context.route(/\/worker\.js/, async (route) => {
          const response = await route.fetch()
          await route.fulfill({ response, body: `${await response.text()}\n` })
        })
      },
    })
    expect(delivered).toEqual({
      error: expect.stringMatching(/^WORKER_UNAVAILABLE: .*worker\.js is not the worker of this module/),
      workers: [],
    })
  })

  describe('a page with a policy', () => {
    const policy = (...parts: string[]) => ({ 'content-security-policy': parts.join('; ') })

    test('scores under the strict one', async () => {
      const headers = strictPolicy(demo.registry)
      expect(await deliver('own', { headers })).toMatchObject({ class: 'Adelie', workers: ['http:'] })
    })

    test('scores with a module of another origin under the strict one for that', async () => {
      const headers = strictPolicy(demo.registry, { script: demo.registry, worker: 'blob:' })
      expect(await deliver('foreign', { headers })).toMatchObject({ class: 'Adelie', workers: ['blob:'] })
    })

    test('that asks for trusted types scores where its own policy trusts the worker', async () => {
      const strict = strictPolicy(demo.registry)['content-security-policy']
      const headers = policy(strict, "require-trusted-types-for 'script'")
      expect(await deliver('trusting', { headers })).toMatchObject({ class: 'Adelie', workers: ['http:'] })
      expect(await deliver('own', { headers })).toMatchObject({
        error: expect.stringMatching(/^WORKER_UNAVAILABLE: .*TrustedScriptURL/),
        workers: [],
      })
    })

    test('without wasm-unsafe-eval is told so (BR-05)', async () => {
      const headers = policy("script-src 'self'", `connect-src 'self' ${demo.registry}`)
      expect(await deliver('own', { headers })).toMatchObject({
        error:
          'WORKER_UNAVAILABLE: the Content-Security-Policy sent with worker.js blocks WebAssembly: ' +
          "add 'wasm-unsafe-eval' to script-src",
      })
    })

    test('without wasm-unsafe-eval is told so by a worker from the text (BR-05)', async () => {
      const headers = policy(`script-src 'self' ${demo.registry}`, 'worker-src blob:', `connect-src ${demo.registry}`)
      expect(await deliver('foreign', { headers })).toMatchObject({
        error:
          'WORKER_UNAVAILABLE: the Content-Security-Policy of the page blocks WebAssembly: ' +
          "add 'wasm-unsafe-eval' to script-src",
      })
    })

    test('that does not let it reach the registry is told so', async () => {
      const headers = policy("script-src 'self' 'wasm-unsafe-eval'", "connect-src 'self'")
      expect(await deliver('own', { headers })).toMatchObject({
        error:
          `REGISTRY_UNREACHABLE: the Content-Security-Policy sent with worker.js blocks requests to ${demo.registry}: ` +
          `add ${demo.registry} to connect-src`,
      })
    })

    test('that does not let a module of another origin fetch its worker is told so', async () => {
      const headers = policy(`script-src 'self' ${demo.registry} 'wasm-unsafe-eval'`, "connect-src 'self'")
      expect(await deliver('foreign', { headers })).toMatchObject({
        error:
          `REGISTRY_UNREACHABLE: the Content-Security-Policy of the page blocks requests to ${demo.registry}: ` +
          `add ${demo.registry} to connect-src`,
      })
    })

    test('without worker-src for a worker from the text is told so (BR-05)', async () => {
      const headers = strictPolicy(demo.registry, { script: demo.registry })
      expect(await deliver('foreign', { headers })).toMatchObject({
        error: 'WORKER_UNAVAILABLE: the Content-Security-Policy of the page blocks the worker: add blob: to worker-src',
      })
    })

    test('without any worker is told so', async () => {
      const headers = strictPolicy(demo.registry, { worker: "'none'" })
      expect(await deliver('own', { headers })).toMatchObject({
        error:
          "WORKER_UNAVAILABLE: the Content-Security-Policy of the page blocks the worker: add 'self' to worker-src",
        workers: [],
      })
    })
  })
})

function abortingModule({ registry, key, token }: Demo): string {
  return `import { connect } from './selvedge/client.js'
    const abort = new AbortController()
    const connecting = connect('${registry}', 'penguins', { key: '${key}', token: '${token}', signal: abort.signal })
    abort.abort()
    connecting.then(
      () => { globalThis.delivered = { error: 'none' } },
      ({ name }) => { globalThis.delivered = { error: name } },
    )`
}
