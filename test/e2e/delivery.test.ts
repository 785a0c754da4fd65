/** How the page's worker gets there, and what a page is told whose policy stands in the way (browser/README.md). */
import type { ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContext, chromium } from 'playwright'
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

interface Case {
  headers?: Record<string, string>
  /** Before the page is opened. */
  prepare?(context: BrowserContext): Promise<unknown>
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
    browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
  })

  afterAll(async () => {
    await browser?.close()
    up?.kill('SIGTERM')
    if (up !== undefined && up.exitCode === null) await new Promise((resolve) => up.once('exit', resolve))
    rmSync(folder, { recursive: true, force: true })
  })

  function writeSite(name: string, from: string): void {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'index.html'), pageHtml('<script type="module" src="main.js"></script>'))
    writeFileSync(join(folder, name, 'main.js'), pageModule(from, demo))
  }

  /** What the page got, and where its workers came from. */
  async function deliver(site: 'own' | 'foreign', { headers, prepare }: Case = {}) {
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
      return { ...delivered, workers }
    } finally {
      await context.close()
      await server.close()
    }
  }

  const abort = (pattern: RegExp) => (context: BrowserContext) => context.route(pattern, (route) => route.abort())

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
    test('scores under the strict one', async () => {
      const headers = strictPolicy(demo.registry)
      expect(await deliver('own', { headers })).toMatchObject({ class: 'Adelie', workers: ['http:'] })
    })

    test('scores with a module of another origin under the strict one for that', async () => {
      const headers = strictPolicy(demo.registry, { script: demo.registry, worker: 'blob:' })
      expect(await deliver('foreign', { headers })).toMatchObject({ class: 'Adelie', workers: ['blob:'] })
    })
  })
})
