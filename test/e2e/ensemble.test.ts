/** An ensemble in a page: its steps are loaded, verified and run by the worker. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { Connection } from '../../runtime/connection.ts'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { pageHtml } from '../delivery/apps.ts'
import { strictPolicy } from '../delivery/site.ts'
import { serve } from '../fixtures/http.ts'
import { bytesOf, type Fixture, linearFiles, pushModel, sendJson } from '../registry/fixture.ts'
import { startCommand, startedOf } from '../server/cli/command.ts'
import { scaling } from '../server/fixtures/served.ts'

const started = z.object({ registry: z.string(), keys: z.array(z.string()) })

declare global {
  // What the page holds between calls from this test.
  var ensemble: Connection
}

let folder: string
let up: ChildProcess
let site: Awaited<ReturnType<typeof serve>>
let browser: Browser
let version: number

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selvedge-ensemble-'))
  const ports = ['--registry-port', '0', '--scoring-port', '0', '--scorers', '1']
  up = startCommand(['up', '--json', '--data', join(folder, 'data'), ...ports])
  const { registry: base, keys } = started.parse(await startedOf(up))
  const registry = new URL(base).origin
  version = await deployEnsemble(registry)
  const main = `import { connect } from '/client.js'
    globalThis.ensemble = await connect('${registry}', 'f', ${JSON.stringify({ key: keys[0] })})`
  site = await serve((request, response) => {
    for (const [name, value] of Object.entries(strictPolicy(registry, {}))) response.setHeader(name, value)
    const file = /^\/(client|worker)\.js$/.exec(request.url ?? '')?.[0]
    const script =
      request.url === '/main.js' ? main : file && readFileSync(new URL(`../../dist/browser${file}`, import.meta.url))
    if (script === undefined) {
      response.setHeader('content-type', 'text/html').end(pageHtml('<script type="module" src="main.js"></script>'))
    } else response.setHeader('content-type', 'text/javascript').end(script)
  })
  browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
}, 60_000)

afterAll(async () => {
  await browser?.close()
  await site?.close()
  up?.kill('SIGTERM')
  if (up !== undefined && up.exitCode === null) await new Promise((resolve) => up.once('exit', resolve))
  rmSync(folder, { recursive: true, force: true })
})

test('an ensemble answers in a page as one deployment', { timeout: 60_000 }, async () => {
  const page = await browser.newPage()
  await page.goto(site.url)
  await page.waitForFunction(() => globalThis.ensemble !== undefined)
  const answer = await page.evaluate(async () => {
    const raw = { datatype: 'FP32' as const, shape: [1, 2], data: Float32Array.of(1, 10) }
    const { outputs, deployment, version, variant } = await globalThis.ensemble.infer({ raw })
    const { versions } = await globalThis.ensemble.state()
    return { answer: Array.from(outputs.answer?.data as Float32Array), deployment, version, variant, versions }
  })
  expect(answer).toEqual({
    answer: [42],
    deployment: 'blue',
    version,
    variant: 'ensemble',
    versions: { blue: version },
  })
})

/** raw → ·2 → a + 2b → answer */
async function deployEnsemble(registry: string): Promise<number> {
  const fixture = { request: (path: string, init?: RequestInit) => fetch(`${registry}${path}`, init) } as Fixture
  const { network, description } = scaling(2)
  await pushModel(fixture, 'twice', '1', {
    'model.onnx': new Uint8Array(network),
    'selvedge.json': bytesOf(description),
  })
  await pushModel(fixture, 'a', '1', linearFiles([1, 2]))
  const steps = [
    { model: 'twice', version: 1, inputs: { x: 'raw' }, outputs: { y: 'mid' } },
    { model: 'a', version: 1, inputs: { x: 'mid' }, outputs: { y: 'answer' } },
  ]
  const body = { kind: 'ensemble', steps, outputs: ['answer'] }
  const made = await sendJson(fixture, 'PUT', '/api/v1/endpoints/f/deployments/blue', body)
  return ((await made.json()) as { version: number }).version
}
