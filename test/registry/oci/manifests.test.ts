import { describe, expect, test } from 'vitest'
import { limits } from '../../../runtime/limits.ts'
import { bytesOf, digestOf, linearFiles, modelManifest, openFixture, pushBlob, putManifest } from '../fixture.ts'

const config = bytesOf('{}')

function plainManifest(annotation = ''): Uint8Array<ArrayBuffer> {
  return bytesOf({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(config), size: config.length },
    layers: [],
    annotations: { filler: annotation },
  })
}

describe('OCI Distribution 1.1, Pushing and pulling manifests', () => {
  test('gives back the same bytes by tag and by digest', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'team/plain', config)
    const manifest = plainManifest()
    expect((await putManifest(fixture, 'team/plain', 'v1.0', manifest)).status).toBe(201)
    for (const reference of ['v1.0', digestOf(manifest)]) {
      const answer = await fixture.request(`/v2/team/plain/manifests/${reference}`)
      expect(answer.headers.get('content-type')).toBe('application/vnd.oci.image.manifest.v1+json')
      expect(new Uint8Array(await answer.arrayBuffer())).toEqual(manifest)
      const head = await fixture.request(`/v2/team/plain/manifests/${reference}`, { method: 'HEAD' })
      expect(head.headers.get('docker-content-digest')).toBe(digestOf(manifest))
    }
  })

  test('UP-15 takes a manifest of 4 MiB and answers 413 to one byte more', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', config)
    const filler = limits.manifestBytes - plainManifest().length
    const most = plainManifest('x'.repeat(filler))
    expect(most).toHaveLength(limits.manifestBytes)
    expect((await putManifest(fixture, 'a', 'most', most)).status).toBe(201)
    expect((await putManifest(fixture, 'a', 'more', plainManifest('x'.repeat(filler + 1)))).status).toBe(413)
    expect((await fixture.request('/v2/a/manifests/more')).status).toBe(404)
  })

  test('UP-16 a blob that is nowhere and one of another repository get the same answer, and no version', async () => {
    await using fixture = await openFixture()
    const elsewhere = await modelManifest(fixture, 'other', linearFiles())
    const answer = await putManifest(fixture, 'a', '1', elsewhere)
    const problem = await answer.json()
    expect(answer.status).toBe(404)
    expect(problem).toMatchObject({ errors: [{ code: 'MANIFEST_BLOB_UNKNOWN' }] })
    await using empty = await openFixture()
    expect(await (await putManifest(empty, 'a', '1', elsewhere)).json()).toEqual(problem)
    expect((await fixture.request('/api/v1/models/a')).status).toBe(404)
  })

  test('UP-01 a digest in a manifest that is a path is refused', async () => {
    await using fixture = await openFixture()
    const manifest = JSON.parse(new TextDecoder().decode(plainManifest()))
    manifest.config.digest = 'sha256:../../../canary'
    const answer = await putManifest(fixture, 'a', 'x', bytesOf(manifest))
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 400,
      body: { errors: [{ code: 'MANIFEST_INVALID' }] },
    })
  })

  const bad: [string, Uint8Array<ArrayBuffer>][] = [
    ['no JSON', bytesOf('{')],
    ['no manifest', bytesOf('[]')],
    ['a key twice', bytesOf('{"schemaVersion":2,"schemaVersion":2}')],
    ['nesting without end', bytesOf('['.repeat(200_000))],
    ['schema 1', bytesOf({ schemaVersion: 1 })],
  ]
  for (const [name, bytes] of bad) {
    test(`refuses ${name} as MANIFEST_INVALID`, async () => {
      await using fixture = await openFixture()
      const answer = await putManifest(fixture, 'a', 'x', bytes)
      expect({ status: answer.status, body: await answer.json() }).toMatchObject({
        status: 400,
        body: { errors: [{ code: 'MANIFEST_INVALID' }] },
      })
    })
  }

  test('refuses a digest that is not that of the bytes', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', config)
    const answer = await putManifest(fixture, 'a', digestOf(config), plainManifest())
    expect(answer.status).toBe(400)
  })
})

describe('OCI Distribution 1.1, Listing tags', () => {
  test('pages with n and last, and n=0 gives none', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'team/a', config)
    for (const tag of ['c', 'a', 'b']) await putManifest(fixture, 'team/a', tag, plainManifest())
    const first = await fixture.request('/v2/team/a/tags/list?n=2')
    expect(await first.json()).toEqual({ name: 'team/a', tags: ['a', 'b'] })
    expect(first.headers.get('link')).toBe('</v2/team/a/tags/list?n=2&last=b>; rel="next"')
    const second = await fixture.request('/v2/team/a/tags/list?n=2&last=b')
    expect(await second.json()).toEqual({ name: 'team/a', tags: ['c'] })
    expect(second.headers.get('link')).toBeNull()
    const none = await fixture.request('/v2/team/a/tags/list?n=0')
    expect(await none.json()).toEqual({ name: 'team/a', tags: [] })
    expect(none.headers.get('link')).toBeNull()
  })

  test('AP-08 clamps a huge n and refuses what is no number', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', config)
    expect((await fixture.request('/v2/a/tags/list?n=999999999')).status).toBe(200)
    for (const n of ['1000000000000', '-1', '1e9', '0x10', '']) {
      expect((await fixture.request(`/v2/a/tags/list?n=${n}`)).status).toBe(400)
    }
  })

  test('a repository that holds nothing is NAME_UNKNOWN', async () => {
    await using fixture = await openFixture()
    const answer = await fixture.request('/v2/nothing/tags/list')
    expect({ status: answer.status, body: await answer.json() }).toMatchObject({
      status: 404,
      body: { errors: [{ code: 'NAME_UNKNOWN' }] },
    })
  })
})

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
