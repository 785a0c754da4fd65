import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyPlan } from '../../../runtime/plan/plan.ts'
import { digestOf, openFixture, sendJson } from '../fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'selvedge-assets-'))
const assetsDir = join(folder, 'browser')
const demoDir = join(folder, 'demo')

beforeAll(() => {
  for (const path of [assetsDir, join(demoDir, 'assets')]) mkdirSync(path, { recursive: true })
  writeFileSync(join(assetsDir, 'worker.js'), 'worker')
  writeFileSync(join(assetsDir, 'ort.wasm'), 'wasm')
  writeFileSync(join(assetsDir, 'worker.d.ts'), 'types')
  writeFileSync(join(demoDir, 'index.html'), '<!doctype html>')
  writeFileSync(join(demoDir, 'assets', 'demo.js'), 'demo')
  writeFileSync(join(folder, 'secret.js'), 'secret')
})

afterAll(() => rmSync(folder, { recursive: true }))

describe('files for pages', () => {
  test('are served to other origins as the plan names them', async () => {
    await using fixture = await openFixture({ assetsDir })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e', {})
    const jws = await (await fixture.request('/api/v1/endpoints/e/plan')).text()
    const { runtime } = await verifyPlan(jws, [fixture.registry.key])
    expect(runtime).toEqual({ ort: '1.30.0', files: { 'worker.js': digestOf('worker'), 'ort.wasm': digestOf('wasm') } })
    const wasm = await fixture.request('/runtime/1.30.0/ort.wasm')
    expect(await wasm.text()).toBe('wasm')
    expect(Object.fromEntries(wasm.headers)).toMatchObject({
      'content-type': 'application/wasm',
      'cache-control': 'public, max-age=31536000, immutable',
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin',
    })
    const worker = await fixture.request('/runtime/1.30.0/worker.js')
    expect(worker.headers.get('cache-control')).toBe('no-cache')
    expect(await worker.text()).toBe('worker')
    const etag = worker.headers.get('etag') ?? ''
    const again = await fixture.request('/runtime/1.30.0/worker.js', { headers: { 'if-none-match': etag } })
    expect(again.status).toBe(304)
  })

  test('are those of the two folders and nothing beside them', async () => {
    await using fixture = await openFixture({ assetsDir, demoDir })
    expect(await (await fixture.request('/demo/')).text()).toBe('<!doctype html>')
    expect(await (await fixture.request('/demo/assets/demo.js')).text()).toBe('demo')
    expect((await fixture.request('/demo')).headers.get('location')).toBe('/demo/')
    for (const path of [
      '/runtime/1.29.0/worker.js',
      '/runtime/1.30.0/worker.d.ts',
      '/runtime/1.30.0/..%2fsecret.js',
      '/demo/..%2fsecret.js',
      '/demo/%2e%2e/secret.js',
      '/demo/assets',
    ]) {
      expect({ path, status: (await fixture.request(path)).status }).toEqual({ path, status: 404 })
    }
  })

  test('let the demo page speak to the registry and the scoring server alone', async () => {
    await using fixture = await openFixture({ demoDir, scoringUrl: 'http://127.0.0.1:4999' })
    const policy = (await fixture.request('/demo/')).headers.get('content-security-policy')
    expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval';")
    expect(policy).toContain("connect-src 'self' http://127.0.0.1:4999;")
  })
})
