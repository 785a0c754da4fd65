/** OpenFeature's web SDK in a page of another origin, over a real registry. */
import { readFileSync } from 'node:fs'
import type { OpenFeatureAPI } from '@openfeature/web-sdk'
import { parquetReadObjects } from 'hyparquet'
import { type Browser, chromium, type Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Listener, listen } from '../../registry/listener.ts'
import { assign } from '../../runtime/assignment/assignment.ts'
import type { Endpoint } from '../../runtime/contract/control.ts'
import { experiment as experimentSchema } from '../../runtime/contract/experiment.ts'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { serve } from '../fixtures/http.ts'
import { type Fixture, openServing, sendJson } from '../registry/fixture.ts'

declare global {
  // What the page holds between calls from this test.
  var sdk: OpenFeatureAPI
  var told: string[]
}

const readModule = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

const scripts: Record<string, string> = {
  '/provider.js': readModule('dist/browser/openfeature.js'),
  '/web-sdk.js': readModule('node_modules/@openfeature/web-sdk/dist/esm/index.js'),
  '/core.js': readModule('node_modules/@openfeature/core/dist/esm/index.js'),
}

const html = (registry: string, key: string) => `<!doctype html>
<script type="importmap">{ "imports": { "@openfeature/web-sdk": "/web-sdk.js", "@openfeature/core": "/core.js" } }</script>
<script type="module">
  import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk'
  import { openProvider } from '/provider.js'
  globalThis.told = []
  for (const event of Object.values(ProviderEvents)) OpenFeature.addHandler(event, () => told.push(event))
  const provider = openProvider('${registry}', { endpoints: ['e'], key: '${key}' })
  await OpenFeature.setProviderAndWait(provider, { targetingKey: 'unit 0' })
  globalThis.sdk = OpenFeature
</script>`

describe('a provider of OpenFeature in a page', () => {
  let browser: Browser
  let fixture: Fixture
  let listener: Listener
  let site: Awaited<ReturnType<typeof serve>>
  let page: Page

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
  })
  afterAll(() => browser?.close())

  beforeEach(async () => {
    fixture = await openServing({ planLifeMs: 5000 })
    await moveTraffic({ blue: 50, green: 50 })
    listener = await listen(fixture.registry, '127.0.0.1', 0)
    site = await serve(({ url = '' }, response) => {
      if (url === '/next') return
      const script = scripts[url]
      if (script !== undefined) response.setHeader('content-type', 'text/javascript').end(script)
      else response.setHeader('content-type', 'text/html').end(html(listener.url, fixture.registry.key))
    })
    page = await (await browser.newContext()).newPage()
    await page.goto(site.url)
    await page.waitForFunction(() => 'sdk' in globalThis)
  })
  afterEach(async () => {
    await page.context().close()
    await site.close()
    fixture.registry.drain()
    await listener.close(0)
    await fixture[Symbol.asyncDispose]()
  })

  async function moveTraffic(split: Record<string, number>): Promise<void> {
    const etag = (await fixture.request('/api/v1/endpoints/e/traffic')).headers.get('etag') ?? ''
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', { split }, { 'if-match': etag })
  }

  async function exposures(): Promise<unknown[]> {
    const answer = await fixture.request('/api/v1/endpoints/e/export.parquet?kind=exposures')
    return (await parquetReadObjects({ file: await answer.arrayBuffer() })).map(({ deployment }) => deployment)
  }

  /** Of blue, which has unit 0. */
  async function outcomes(name: string) {
    const answer = await fixture.request(`/api/v1/endpoints/e/experiment?outcome=${name}&control=blue`)
    return experimentSchema.parse(await answer.json()).splits.at(-1)?.control
  }

  const evaluate = (unit: string) =>
    page.evaluate(async (targetingKey) => {
      await globalThis.sdk.setContext({ targetingKey })
      return globalThis.sdk.getClient().getObjectDetails('e', { deployment: 'fallback' })
    }, unit)

  test('gives each context its deployment, and reports exposures and outcomes at once', async () => {
    const endpoint = (await (await fixture.request('/api/v1/endpoints/e')).json()) as Endpoint
    const units = Array.from({ length: 12 }, (_, i) => `unit ${i}`)
    const variants: (string | undefined)[] = []
    for (const unit of units) {
      const { value, variant, reason } = await evaluate(unit)
      expect([value, reason]).toMatchObject([{ deployment: variant, model: 'a' }, 'SPLIT'])
      variants.push(variant)
      await page.evaluate(() => globalThis.sdk.getClient().track('clicked'))
    }
    expect(variants).toEqual(units.map((unit) => assign(endpoint, { unit }).deployment))
    expect(await page.evaluate(() => globalThis.told)).toContain('PROVIDER_CONTEXT_CHANGED')
    // The interval is a minute.
    await vi.waitFor(async () => expect((await exposures()).toSorted()).toEqual(variants.toSorted()), 10_000)
    const ofBlue = variants.filter((variant) => variant === 'blue').length
    expect(await outcomes('clicked')).toMatchObject({ units: ofBlue, told: ofBlue, mean: 1 })
  })

  test('F-31: reports what is tracked as its visitor leaves', async () => {
    await page.evaluate(async () => {
      globalThis.sdk.getClient().getObjectValue('e', {})
      globalThis.sdk.getClient().track('left')
    })
    // The page that comes next is never answered.
    await page.evaluate(`location.href = '/next'`)
    await vi.waitFor(async () => expect(await outcomes('left')).toMatchObject({ units: 1, told: 1 }), 10_000)
  })

  test('follows the split', async () => {
    await moveTraffic({ blue: 0, green: 100 })
    await page.waitForFunction(() => globalThis.told.includes('PROVIDER_CONFIGURATION_CHANGED'))
    expect(await evaluate('unit 0')).toMatchObject({ variant: 'green', reason: 'STATIC' })
  })

  test('F-15: is stale without the registry, whatever the context, and starts anew with the plan that it held', async () => {
    const before = await evaluate('unit 3')
    await listener.close(0)
    await page.waitForFunction(() => globalThis.told.includes('PROVIDER_STALE'))
    expect(await evaluate('unit 3')).toEqual({ ...before, reason: 'STALE' })
    await page.waitForFunction(() => globalThis.sdk.getClient().providerStatus === 'STALE')
    await page.reload()
    await page.waitForFunction(() => 'sdk' in globalThis)
    expect(await evaluate('unit 3')).toEqual({ ...before, reason: 'STALE' })
  })
})
