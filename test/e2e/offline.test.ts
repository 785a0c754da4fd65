/** A page that was online once, without its registry: it starts, scores, and reports when the registry is back. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import type { Connection } from '../../runtime/connection.ts'
import type { ProfileSum } from '../../runtime/contract/control.ts'
import { readPenguins } from '../../server/demo/datasets/penguins.ts'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { serve } from '../fixtures/http.ts'
import { startCommand, startedOf } from '../server/cli/command.ts'

const records = readPenguins().records.slice(0, 20)
const started = z.object({ registry: z.string(), keys: z.array(z.string()), demo: z.object({ pageToken: z.string() }) })

declare global {
  // What the page holds between calls from this test.
  var connected: Connection
  var connecting: () => Promise<void>
}

describe('a page that was online once', () => {
  let folder: string
  let up: ChildProcess | undefined
  let registry: URL
  let site: Awaited<ReturnType<typeof serve>>
  let context: BrowserContext
  let online: unknown[]

  async function startRegistry(port: string) {
    const ports = ['--registry-port', port, '--scoring-port', '0', '--scorers', '1']
    up = startCommand(['up', '--demo', '--json', '--data', join(folder, 'data'), ...ports])
    return started.parse(await startedOf(up))
  }

  async function stopRegistry(): Promise<void> {
    const stopping = up
    up = undefined
    if (stopping === undefined || stopping.exitCode !== null) return
    const exited = new Promise((resolve) => stopping.once('exit', resolve))
    stopping.kill('SIGTERM')
    await exited
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-offline-'))
    const { registry: base, keys, demo } = await startRegistry('0')
    registry = new URL(base)
    const options = { token: demo.pageToken, key: keys[0], providers: ['wasm'] }
    // The application serves its own copy of the page module and the worker, as a bundler makes it.
    site = await serve((request, response) => {
      const file = /^\/(client|worker)\.js$/.exec(request.url ?? '')?.[0]
      if (file !== undefined) {
        response.setHeader('content-type', 'text/javascript')
        response.end(readFileSync(new URL(`../../dist/browser${file}`, import.meta.url)))
        return
      }
      response.setHeader('content-type', 'text/html').end(`<!doctype html><script type="module">
        import { connect } from '/client.js'
        globalThis.connecting = async () => {
          globalThis.connected = await connect('${registry.origin}', 'penguins', ${JSON.stringify(options)})
        }
      </script>`)
    })
    context = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath: chromiumPath() ?? '',
      args: chromiumArguments,
    })
    const page = await openPage()
    online = await score(page)
    await page.evaluate(() => globalThis.connected.close())
    await page.close()
  }, 120_000)

  afterAll(async () => {
    await context?.close()
    await site?.close()
    await stopRegistry()
    rmSync(folder, { recursive: true, force: true })
  })

  async function openPage(): Promise<Page> {
    const page = await context.newPage()
    await page.goto(site.url)
    await page.evaluate(() => globalThis.connecting())
    return page
  }

  const score = (page: Page) =>
    page.evaluate(async (records) => {
      const scored = await globalThis.connected.score(records)
      return scored.map(({ deployment, version, ...rest }) => ({
        deployment,
        version,
        ...('class' in rest ? { class: rest.class, scores: rest.scores } : {}),
      }))
    }, records)

  const report = (page: Page) => page.evaluate(() => globalThis.connected.report())

  async function rows(): Promise<number> {
    const response = await fetch(new URL('api/v1/endpoints/penguins/profiles', registry))
    const { items } = (await response.json()) as { items: ProfileSum[] }
    return items.reduce((sum, item) => sum + (item.provider === 'wasm' ? item.rows : 0), 0)
  }

  test('F-30: it starts and scores without the registry; what it counted goes there at its next visit', async () => {
    const before = await rows()
    expect(before).toBe(records.length)
    await stopRegistry()

    const page = await openPage()
    expect(await score(page)).toEqual(online)
    expect(await report(page)).toBe(false)
    // Not closed as a page should be, but as pages are.
    await page.close()

    await startRegistry(registry.port)
    await openPage()
    await vi.waitFor(async () => expect(await rows()).toBe(2 * records.length), 20_000)
  })
})
