import { describe, expect, test } from 'vitest'
import { bytesOf, digestOf, type Fixture, openFixture, pushBlob } from '../fixture.ts'

const blob = bytesOf('a layer')
const docker = 'application/vnd.docker.distribution.manifest'

function dockerImage(): Uint8Array<ArrayBuffer> {
  const part = (mediaType: string) => ({ mediaType, digest: digestOf(blob), size: blob.length })
  return bytesOf({
    schemaVersion: 2,
    mediaType: `${docker}.v2+json`,
    config: part('application/vnd.docker.container.image.v1+json'),
    layers: [part('application/vnd.docker.image.rootfs.diff.tar.gzip')],
  })
}

async function put(fixture: Fixture, reference: string, bytes: Uint8Array<ArrayBuffer>, type?: string) {
  const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
  return await fixture.request(`/v2/team/image/manifests/${reference}`, { method: 'PUT', body: bytes, headers })
}

async function codeOf(answer: Response): Promise<string> {
  return `${answer.status} ${((await answer.json()) as { errors: { code: string }[] }).errors[0]?.code}`
}

describe('manifests of any media type', () => {
  test('Docker’s image and list come back byte for byte under their own type', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'team/image', blob)
    const image = dockerImage()
    const list = bytesOf({
      schemaVersion: 2,
      mediaType: `${docker}.list.v2+json`,
      manifests: [{ mediaType: `${docker}.v2+json`, digest: digestOf(image), size: image.length }],
    })
    expect(await codeOf(await put(fixture, 'list', list, `${docker}.list.v2+json`))).toBe('404 MANIFEST_BLOB_UNKNOWN')
    expect((await put(fixture, 'one', image, `${docker}.v2+json`)).status).toBe(201)
    expect((await put(fixture, 'list', list, `${docker}.list.v2+json`)).status).toBe(201)
    for (const [tag, bytes, type] of [
      ['one', image, `${docker}.v2+json`],
      ['list', list, `${docker}.list.v2+json`],
    ] as const) {
      const got = await fixture.request(`/v2/team/image/manifests/${tag}`)
      expect(got.headers.get('content-type')).toBe(type)
      expect(new Uint8Array(await got.arrayBuffer())).toEqual(bytes)
    }
  })

  test('Docker’s image names blobs that must be there', async () => {
    await using fixture = await openFixture()
    expect(await codeOf(await put(fixture, 'one', dockerImage(), `${docker}.v2+json`))).toBe(
      '404 MANIFEST_BLOB_UNKNOWN',
    )
  })

  test('one that nobody has heard of is kept as it is, with what it mentions', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'team/image', blob)
    const unknown = bytesOf({ anything: { of: [digestOf(blob), digestOf('nowhere')] }, subject: 'not a descriptor' })
    expect((await put(fixture, 'x', unknown, 'application/vnd.example.thing+json')).status).toBe(201)
    const got = await fixture.request('/v2/team/image/manifests/x')
    expect(got.headers.get('content-type')).toBe('application/vnd.example.thing+json')
    expect(new Uint8Array(await got.arrayBuffer())).toEqual(unknown)
    const refused = await fixture.request(`/v2/team/image/blobs/${digestOf(blob)}`, { method: 'DELETE' })
    expect(await codeOf(refused)).toBe('409 IN_USE')
  })

  test('one whose content type is not what it says of itself, and one that is no object, are refused', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'team/image', blob)
    expect(await codeOf(await put(fixture, 'x', dockerImage(), 'application/vnd.oci.image.manifest.v1+json'))).toBe(
      '400 MANIFEST_INVALID',
    )
    for (const text of ['[]', '1', 'null', 'no json']) {
      expect(await codeOf(await put(fixture, 'x', bytesOf(text), 'application/vnd.example.thing+json'))).toBe(
        '400 MANIFEST_INVALID',
      )
    }
  })

  test('parameters of the content type do not count', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'team/image', blob)
    expect((await put(fixture, 'x', dockerImage(), `${docker}.v2+json; charset=utf-8`)).status).toBe(201)
  })
})
