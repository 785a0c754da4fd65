import { describe, expect, test } from 'vitest'
import { bytesOf, digestOf, type Fixture, openFixture, pushBlob, putManifest } from '../fixture.ts'

const empty = bytesOf('{}')
const subject = digestOf('a manifest that may come later')

interface Index {
  schemaVersion: number
  mediaType: string
  manifests: { digest: string; size: number; mediaType: string; artifactType?: string; annotations?: object }[]
}

function manifestOf(fields: Record<string, unknown>): Uint8Array<ArrayBuffer> {
  return bytesOf({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(empty), size: empty.length },
    layers: [],
    subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 7 },
    ...fields,
  })
}

async function attach(fixture: Fixture, fields: Record<string, unknown>): Promise<Uint8Array<ArrayBuffer>> {
  const manifest = manifestOf(fields)
  const answer = await putManifest(fixture, 'm', digestOf(manifest), manifest)
  expect([answer.status, answer.headers.get('oci-subject')]).toEqual([201, subject])
  return manifest
}

async function referrers(fixture: Fixture, query = '', repository = 'm') {
  const answer = await fixture.request(`/v2/${repository}/referrers/${subject}${query}`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/vnd.oci.image.index.v1+json'])
  return { headers: answer.headers, index: (await answer.json()) as Index }
}

describe('referrers', () => {
  test('are an empty index for a subject, a repository or a digest that nobody knows', async () => {
    await using fixture = await openFixture()
    const none = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [] }
    expect((await referrers(fixture)).index).toEqual(none)
    expect((await referrers(fixture, '', 'team/nothing')).index).toEqual(none)
    expect((await fixture.request('/v2/m/referrers/sha256:..%2fcanary')).status).toBe(400)
  })

  test('are listed with type and annotations, before their subject is there and after', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'm', empty)
    const typed = await attach(fixture, { artifactType: 'application/x-profile', annotations: { by: 'test' } })
    const plain = await attach(fixture, {})
    const { index, headers } = await referrers(fixture)
    expect(headers.get('oci-filters-applied')).toBeNull()
    expect(index.manifests).toHaveLength(2)
    expect(index.manifests).toEqual(
      expect.arrayContaining([
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: digestOf(typed),
          size: typed.length,
          artifactType: 'application/x-profile',
          annotations: { by: 'test' },
        },
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: digestOf(plain),
          size: plain.length,
          artifactType: 'application/vnd.oci.empty.v1+json',
        },
      ]),
    )
    expect((await referrers(fixture, '', 'other')).index.manifests).toEqual([])
  })

  test('are filtered by type, and the answer says so', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'm', empty)
    const one = await attach(fixture, { artifactType: 'application/x-one' })
    await attach(fixture, { artifactType: 'application/x-two' })
    const { index, headers } = await referrers(fixture, '?artifactType=application%2Fx-one')
    expect(headers.get('oci-filters-applied')).toBe('artifactType')
    expect(index.manifests.map(({ digest }) => digest)).toEqual([digestOf(one)])
    expect((await referrers(fixture, '?artifactType=application%2Fx-three')).index.manifests).toEqual([])
  })

  test('of an index count too, and one that is deleted is listed no more', async () => {
    await using fixture = await openFixture()
    const index = bytesOf({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      artifactType: 'application/x-index',
      manifests: [],
      subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 7 },
    })
    const put = await fixture.request(`/v2/m/manifests/${digestOf(index)}`, { method: 'PUT', body: index })
    expect([put.status, put.headers.get('oci-subject')]).toEqual([201, subject])
    expect((await referrers(fixture)).index.manifests).toMatchObject([{ artifactType: 'application/x-index' }])
    expect((await fixture.request(`/v2/m/manifests/${digestOf(index)}`, { method: 'DELETE' })).status).toBe(202)
    expect((await referrers(fixture)).index.manifests).toEqual([])
  })

  test('AP-20 come in pages of at most 4 MiB, and the pages together are all of them, each once', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'm', empty)
    const wanted: string[] = []
    for (let n = 0; n < 9; n++) {
      wanted.push(digestOf(await attach(fixture, { annotations: { n: String(n), filler: 'x'.repeat(1_000_000) } })))
    }
    const found: string[] = []
    let pages = 0
    let path: string | undefined = `/v2/m/referrers/${subject}`
    while (path !== undefined) {
      const answer: Response = await fixture.request(path)
      const text = await answer.text()
      expect(text.length).toBeLessThanOrEqual(4 * 1024 * 1024)
      found.push(...(JSON.parse(text) as Index).manifests.map(({ digest }) => digest))
      pages++
      path = /^<(.+)>; rel="next"$/.exec(answer.headers.get('link') ?? '')?.[1]
    }
    expect(found).toEqual(wanted.sort())
    expect(pages).toBe(3)
  })
})
