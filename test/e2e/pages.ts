/** Pages of an application whose worker lies beside them, in front of a real registry with one endpoint `e`. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium, type Page } from 'playwright'
import { listen } from '../../registry/listener.ts'
import type { Connection } from '../../runtime/connection.ts'
import type { ExecutionProvider } from '../../runtime/contract/names.ts'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { serve } from '../fixtures/http.ts'
import { type Files, type Fixture, openFixture, pushModel, sendJson } from '../registry/fixture.ts'

export interface Pages extends AsyncDisposable {
  registry: string
  fixture: Fixture
  /** In a context of its own, with `connectWith`. */
  open(): Promise<Page>
}

declare global {
  // What the page offers to a test.
  var connectWith: (providers: ExecutionProvider[]) => Promise<Connection>
}

const built = fileURLToPath(new URL('../../dist/browser/', import.meta.url))

/** @param prelude - runs in each worker before anything else */
export async function openPages(files: Files, { prelude = '', telemetryIntervalMs = 60_000 } = {}): Promise<Pages> {
  const fixture = await openFixture({ assetsDir: built, telemetryIntervalMs })
  await pushModel(fixture, 'm', '1', files)
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'm', version: 1 })
  const listener = await listen(fixture.registry, '127.0.0.1', 0)
  const scripts: Record<string, string> = {
    '/client.js': readFileSync(`${built}client.js`, 'utf8'),
    '/worker.js': `${prelude}\n${readFileSync(`${built}worker.js`, 'utf8')}`,
  }
  const site = await serve(({ url = '' }, response) => {
    const script = scripts[url]
    if (script !== undefined) response.setHeader('content-type', 'text/javascript').end(script)
    else response.setHeader('content-type', 'text/html').end(html(listener.url, fixture.registry.key))
  })
  const browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
  return {
    registry: listener.url,
    fixture,
    async open() {
      const page = await (await browser.newContext()).newPage()
      await page.goto(site.url)
      await page.waitForFunction(() => 'connectWith' in globalThis)
      return page
    },
    async [Symbol.asyncDispose]() {
      await browser.close()
      await site.close()
      fixture.registry.drain()
      await listener.close(0)
      await fixture[Symbol.asyncDispose]()
    },
  }
}

const html = (registry: string, key: string) => `<!doctype html><script type="module">
  import { connect } from '/client.js'
  globalThis.connectWith = (providers) => connect('${registry}', 'e', { key: '${key}', providers })
</script>`
