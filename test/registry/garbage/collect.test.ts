import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../runtime/limits.ts'
import {
  bytesOf,
  digestOf,
  type Fixture,
  linearFiles,
  linearModel,
  modelManifest,
  openFixture,
  placeOf,
  pushBlob,
  pushModel,
  putManifest,
  sendJson,
} from '../fixture.ts'

const hello = bytesOf('hello, blob')

async function collect(fixture: Fixture, dryRun = false): Promise<unknown> {
  const answer = await sendJson(fixture, 'POST', '/api/v1/gc', { dryRun })
  expect(answer.status).toBe(200)
  return await answer.json()
}

async function openWithClock() {
  let at = Date.parse('2026-11-24T10:00:00Z')
  const fixture = await openFixture({ now: () => at })
  return {
    fixture,
    pass: (ms = limits.uploadSessionMs + 1) => {
      at += ms
    },
  }
}

describe('garbage collection', () => {
  test('takes a blob that no manifest needs a day after it came, and says so beforehand', async () => {
    const { fixture, pass } = await openWithClock()
    await using _ = fixture
    await pushBlob(fixture, 'a', hello)
    expect(await collect(fixture)).toEqual({ dryRun: false, blobs: 0, bytes: 0, uploads: 0 })
    pass()
    const wanted = { blobs: 1, bytes: hello.length, uploads: 0 }
    expect(await collect(fixture, true)).toEqual({ dryRun: true, ...wanted })
    expect((await fixture.request(`/v2/a/blobs/${digestOf(hello)}`)).status).toBe(200)
    expect(await collect(fixture)).toEqual({ dryRun: false, ...wanted })
    expect((await fixture.request(`/v2/a/blobs/${digestOf(hello)}`)).status).toBe(404)
    expect(existsSync(placeOf(fixture, digestOf(hello)))).toBe(false)
    expect(await collect(fixture)).toEqual({ dryRun: false, blobs: 0, bytes: 0, uploads: 0 })
  })

  test('keeps a blob that another repository needs, and the first loses it', async () => {
    const { fixture, pass } = await openWithClock()
    await using _ = fixture
    await pushModel(fixture, 'a', '1')
    const network = linearModel([1, 2])
    await pushBlob(fixture, 'b', network)
    pass()
    expect(await collect(fixture)).toMatchObject({ blobs: 0 })
    expect((await fixture.request(`/v2/a/blobs/${digestOf(network)}`)).status).toBe(200)
    expect((await fixture.request(`/v2/b/blobs/${digestOf(network)}`)).status).toBe(404)
  })

  test('keeps the description that was read from a network, for as long as its version', async () => {
    const { fixture, pass } = await openWithClock()
    await using _ = fixture
    await pushModel(fixture, 'a', '1', { 'model.onnx': linearModel([1, 2]) })
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 1 })
    pass()
    expect(await collect(fixture)).toMatchObject({ blobs: 0 })
    const plan = await (await fixture.request('/api/v1/endpoints/e/plan')).text()
    const { deployments } = JSON.parse(Buffer.from(plan.split('.')[1] ?? '', 'base64url').toString())
    const description = `/v2/a/blobs/${deployments[0].description}`
    expect((await fixture.request(description)).status).toBe(200)
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/traffic', { split: { blue: 0 } }, { 'if-match': '*' })
    await fixture.request('/api/v1/endpoints/e/deployments/blue', { method: 'DELETE' })
    expect((await fixture.request('/api/v1/models/a/versions/1', { method: 'DELETE' })).status).toBe(204)
    expect(await collect(fixture)).toMatchObject({ blobs: 3 })
    expect((await fixture.request(description)).status).toBe(404)
  })

  test('keeps what a client that may push was told of by HEAD, and what was pushed or mounted again', async () => {
    for (const again of ['HEAD', 'push', 'mount']) {
      const { fixture, pass } = await openWithClock()
      await using _ = fixture
      await pushBlob(fixture, 'a', hello)
      pass(limits.uploadSessionMs - 1000)
      const path = `/v2/a/blobs/${digestOf(hello)}`
      if (again === 'HEAD') await fixture.request(path, { method: 'HEAD' })
      if (again === 'push') await pushBlob(fixture, 'a', hello)
      if (again === 'mount') {
        await fixture.request(`/v2/a/blobs/uploads/?mount=${digestOf(hello)}&from=a`, { method: 'POST' })
      }
      pass(limits.uploadSessionMs - 1000)
      expect([again, await collect(fixture)]).toEqual([again, { dryRun: false, blobs: 0, bytes: 0, uploads: 0 }])
      expect([again, (await fixture.request(path)).status]).toEqual([again, 200])
    }
  })

  test('F-01 takes bytes that no row knows, and uploads of which no row is left, but nothing that is open', async () => {
    const { fixture, pass } = await openWithClock()
    await using _ = fixture
    const orphan = placeOf(fixture, digestOf('orphan'))
    const half = join(fixture.dataDir, 'blobs', 'uploads', randomUUID())
    mkdirSync(dirname(orphan), { recursive: true })
    writeFileSync(orphan, 'orphan')
    writeFileSync(half, 'half')
    const started = await fixture.request('/v2/a/blobs/uploads/', { method: 'POST' })
    const location = started.headers.get('location') ?? ''
    await fixture.request(location, { method: 'PATCH', body: hello })
    // The one that runs at the start may come first.
    await collect(fixture)
    expect([existsSync(orphan), existsSync(half)]).toEqual([false, false])
    const put = await fixture.request(`${location}?digest=${digestOf(hello)}`, { method: 'PUT' })
    expect(put.status).toBe(201)
    pass()
    await fixture.request('/v2/a/blobs/uploads/', { method: 'POST' })
    expect(await collect(fixture)).toEqual({ dryRun: false, blobs: 1, bytes: hello.length, uploads: 0 })
  })

  test('never races a push: whatever was acknowledged is there, however the two fall together', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('push', 'mount', 'gc', 'model'), { minLength: 4, maxLength: 12 }),
        async (steps) => {
          const { fixture, pass } = await openWithClock()
          await using _ = fixture
          await pushBlob(fixture, 'a', hello)
          pass()
          const path = `/v2/a/blobs/${digestOf(hello)}`
          const acknowledged = await Promise.all(
            steps.map(async (step, n) => {
              if (step === 'gc') return await collect(fixture).then(() => true)
              if (step === 'push') return await pushBlob(fixture, 'a', hello).then(() => true)
              if (step === 'mount') {
                const init = { method: 'POST' }
                const { status } = await fixture.request(`/v2/b/blobs/uploads/?mount=${digestOf(hello)}&from=a`, init)
                return status === 202 || (await fixture.request(path.replace('/a/', '/b/'))).status === 200
              }
              const manifest = await modelManifest(fixture, 'm', linearFiles([n, 1]))
              return (await putManifest(fixture, 'm', `v${n}`, manifest)).status === 201
            }),
          )
          expect(acknowledged).not.toContain(false)
          if (steps.includes('push')) expect((await fixture.request(path)).status).toBe(200)
        },
      ),
      { numRuns: 25, seed: 7 },
    )
  })
})
