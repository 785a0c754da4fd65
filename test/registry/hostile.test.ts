/** Pushes and reads that are meant to do harm, and what a blob's answer lets caches do. */
import { mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { limits } from '../../runtime/limits.ts'
import {
  bytesOf,
  digestOf,
  type Fixture,
  linearFiles,
  modelManifest,
  openFixture,
  openServing,
  pushBlob,
  pushModel,
  putManifest,
  sendJson,
} from './fixture.ts'

function placeOf(fixture: Fixture, digest: string): string {
  const hex = digest.slice('sha256:'.length)
  return join(fixture.dataDir, 'blobs', 'sha256', hex.slice(0, 2), hex.slice(2, 4), hex)
}

test('UP-10 a manifest without a length is refused at the byte after the limit, and nothing of it is kept', async () => {
  await using fixture = await openFixture()
  let sent = 0
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65_536
      controller.enqueue(new Uint8Array(65_536).fill(32))
    },
  })
  const answer = await fixture.request('/v2/a/manifests/1', { method: 'PUT', body, duplex: 'half' } as RequestInit)
  expect(answer.status).toBe(413)
  expect(sent).toBeLessThan(limits.manifestBytes + 4 * 65_536)
  expect((await fixture.request('/v2/a/manifests/1')).status).toBe(404)
})

describe('UP-19 a source that is an address or a path', () => {
  test.each([
    'file:///etc',
    's3://bucket/key',
    'http://127.0.0.1/x',
    '..\\..\\x',
    'x#/../..',
    'x;/../..',
    '%2e%2e%2fx',
  ])('%s is refused: nothing that a caller names is ever fetched or opened', async (from) => {
    await using fixture = await openFixture()
    const query = new URLSearchParams({ mount: digestOf('x'), from })
    const answer = await fixture.request(`/v2/a/blobs/uploads/?${query}`, { method: 'POST' })
    expect(answer.status).toBe(400)
  })
})

test('UP-20 no annotation changes the verdict on a model', async () => {
  await using fixture = await openFixture()
  const files = { ...linearFiles(), 'model.onnx': bytesOf('no network') }
  const words = fc.constantFrom(
    'is_prompt',
    'selvedge.tag.is_prompt',
    'selvedge.why',
    'skip-validation',
    'selvedge.tag.probe',
  )
  await fc.assert(
    fc.asyncProperty(fc.dictionary(words, fc.constantFrom('true', '1', '', 'passed')), async (annotations) => {
      expect((await pushModel(fixture, 'a', '1', files, annotations)).status).toBe(422)
    }),
    { numRuns: 20 },
  )
  expect((await fixture.request('/api/v1/models/a')).status).toBe(404)
})

describe('BL-02 stored bytes that were', () => {
  test.each<[string, (place: string) => void]>([
    ['cut short', (place) => truncateSync(place, 3)],
    ['made longer', (place) => writeFileSync(place, 'more', { flag: 'a' })],
    ['replaced by a folder', (place) => [rmSync(place), mkdirSync(place)]],
    ['removed', (place) => rmSync(place)],
  ])('%s are an error of the registry, and other blobs and lists stay as they are', async (_, harm) => {
    await using fixture = await openFixture()
    await pushModel(fixture, 'a', '1')
    const harmed = bytesOf('harmed later')
    await pushBlob(fixture, 'a', harmed)
    harm(placeOf(fixture, digestOf(harmed)))
    expect((await fixture.request(`/v2/a/blobs/${digestOf(harmed)}`)).status).toBe(500)
    const { layers } = (await (await fixture.request('/v2/a/manifests/1')).json()) as { layers: { digest: string }[] }
    for (const { digest } of layers) expect((await fixture.request(`/v2/a/blobs/${digest}`)).status).toBe(200)
    expect(await (await fixture.request('/v2/a/tags/list')).json()).toEqual({ name: 'a', tags: ['1'] })
  })
})

test('BL-10 caches keep a blob for its caller alone, and no refusal', async () => {
  await using fixture = await openFixture()
  const bytes = bytesOf('cached')
  await pushBlob(fixture, 'a', bytes)
  const blob = await fixture.request(`/v2/a/blobs/${digestOf(bytes)}`)
  expect(blob.headers.get('cache-control')).toBe('private, max-age=31536000, immutable')
  expect(blob.headers.get('etag')).toBe(`"${digestOf(bytes)}"`)
  expect(blob.headers.get('vary')).toBe('Origin, Authorization')
  const refused = await fixture.request(`/v2/a/blobs/${digestOf('nothing')}`)
  expect(refused.headers.get('cache-control')).toBe('no-store')
})

test('AU-08 a revoked token is refused from the next request on', async () => {
  await using fixture = await openServing()
  const create = async (headers = {}) =>
    (await (await sendJson(fixture, 'POST', '/api/v1/tokens', { role: 'admin' }, headers)).json()) as {
      id: string
      secret: string
    }
  const first = await create()
  const second = await create({ authorization: `Bearer ${first.secret}` })
  const ask = async () => (await fixture.request('/api/v1/models', { token: second.secret })).status
  expect(await ask()).toBe(200)
  await fixture.request(`/api/v1/tokens/${second.id}`, { method: 'DELETE', token: first.secret })
  expect(await ask()).toBe(401)
})

test('UP-21 an archive is stored as it is: nothing of it is unpacked', async () => {
  await using fixture = await openFixture()
  const manifest = JSON.parse(Buffer.from(await modelManifest(fixture, 'a', linearFiles())).toString())
  const tar = new Uint8Array(1024)
  tar.set(bytesOf('../../canary'))
  await pushBlob(fixture, 'a', tar)
  manifest.layers.push({
    mediaType: 'application/vnd.cncf.model.doc.v1.tar',
    digest: digestOf(tar),
    size: tar.length,
    annotations: { 'org.cncf.model.filepath': 'docs.tar' },
  })
  expect((await putManifest(fixture, 'a', '1', bytesOf(manifest))).status).toBe(201)
  const names = readdirSync(fixture.dataDir, { recursive: true, encoding: 'utf8' })
  expect(names.filter((name) => name.includes('canary'))).toEqual([])
})
