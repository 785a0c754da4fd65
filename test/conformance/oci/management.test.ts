import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forms, pushForm, taggedOf } from './forms.ts'
import { blobOf, bytesOf, type Client, digestOf, openClient, pushBlob, textOf } from './registry.ts'

let client: Client
beforeAll(async () => {
  client = await openClient()
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
})

const image = forms.Image ?? { manifests: [], blobs: [] }

describe('OCI Distribution 1.1, Deleting tags', () => {
  test('is 202, the tag is gone and the manifest stays', async () => {
    const repository = 'conformance/delete-tag'
    await pushForm(client, repository, image, 'one')
    expect((await client.call('DELETE', `/v2/${repository}/manifests/one`)).status).toBe(202)
    expect((await client.call('GET', `/v2/${repository}/manifests/one`)).status).toBe(404)
    expect(JSON.parse(textOf((await client.call('GET', `/v2/${repository}/tags/list`)).bytes)).tags).toEqual([])
    expect((await client.call('GET', `/v2/${repository}/manifests/${digestOf(taggedOf(image).bytes)}`)).status).toBe(
      200,
    )
    const again = await client.call('DELETE', `/v2/${repository}/manifests/one`)
    expect([again.status, again.code]).toEqual([404, 'MANIFEST_UNKNOWN'])
  })
})

describe('OCI Distribution 1.1, Deleting Manifests', () => {
  test('is 202, and neither digest nor tag gives it', async () => {
    const repository = 'conformance/delete-manifest'
    await pushForm(client, repository, image, 'one')
    const path = `/v2/${repository}/manifests/${digestOf(taggedOf(image).bytes)}`
    expect((await client.call('DELETE', path)).status).toBe(202)
    for (const each of [path, `/v2/${repository}/manifests/one`]) {
      expect([each, (await client.call('GET', each)).status]).toEqual([each, 404])
    }
    expect((await client.call('DELETE', path)).status).toBe(404)
  })

  test('that was deleted may be pushed again', async () => {
    const repository = 'conformance/delete-and-push'
    for (const _ of [1, 2]) {
      const answers = await pushForm(client, repository, image, 'one')
      expect(answers.map(({ status }) => status)).toEqual([201, 201])
      await client.call('DELETE', `/v2/${repository}/manifests/${digestOf(taggedOf(image).bytes)}`)
    }
  })

  test('with a subject takes it from the referrers', async () => {
    const repository = 'conformance/delete-referrer'
    const form = forms['Missing Subject'] ?? { manifests: [], blobs: [] }
    await pushForm(client, repository, form, 'one')
    const [first, second] = form.manifests
    if (first === undefined || second === undefined) throw new Error('the form has two referrers')
    await client.call('DELETE', `/v2/${repository}/manifests/${digestOf(first.bytes)}`)
    const { bytes } = await client.call('GET', `/v2/${repository}/referrers/${first.subject}`)
    expect(JSON.parse(textOf(bytes)).manifests).toMatchObject([{ digest: digestOf(second.bytes) }])
  })

  for (const [name, form] of Object.entries(forms)) {
    test(`tags, then manifests from the last to the first, then blobs all go: ${name}`, async () => {
      const repository = `conformance/clean-${name.toLowerCase().replaceAll(' ', '-')}`
      await pushForm(client, repository, form, 'tag')
      const blobs = new Set(form.blobs.map(digestOf))
      const paths = [
        `/v2/${repository}/manifests/tag`,
        ...form.manifests.toReversed().map(({ bytes }) => `/v2/${repository}/manifests/${digestOf(bytes)}`),
        ...[...blobs].map((digest) => `/v2/${repository}/blobs/${digest}`),
      ]
      for (const path of paths) {
        expect([path, (await client.call('DELETE', path)).status]).toEqual([path, 202])
        expect([path, (await client.call('HEAD', path)).status]).toEqual([path, 404])
      }
    })
  }
})

describe('OCI Distribution 1.1, Deleting Blobs', () => {
  test('is 202, and it is gone from this repository alone', async () => {
    const blob = blobOf(1, 512)
    for (const repository of ['conformance/one', 'conformance/two']) await pushBlob(client, repository, blob)
    const path = `/v2/conformance/one/blobs/${digestOf(blob)}`
    expect((await client.call('DELETE', path)).status).toBe(202)
    expect((await client.call('GET', path)).status).toBe(404)
    expect((await client.call('GET', `/v2/conformance/two/blobs/${digestOf(blob)}`)).bytes).toEqual(blob)
    const again = await client.call('DELETE', path)
    expect([again.status, again.code]).toEqual([404, 'BLOB_UNKNOWN'])
  })

  test('that a manifest names is 409 with that manifest', async () => {
    await pushForm(client, 'conformance/held', image, 'one')
    const blob = await client.call('DELETE', `/v2/conformance/held/blobs/${digestOf(image.blobs[0] ?? bytesOf(''))}`)
    expect([blob.status, blob.code]).toEqual([409, 'IN_USE'])
    expect(textOf(blob.bytes)).toContain(digestOf(taggedOf(image).bytes))
  })
})

describe('OCI Distribution 1.1, Warm-up', () => {
  test('a whole image goes in, is found, comes out and goes again in a repository that nobody named before', async () => {
    const repository = 'conformance/warm-up/deep/er'
    expect((await client.call('GET', `/v2/${repository}/tags/list`)).status).toBe(404)
    await pushForm(client, repository, image, 'latest')
    expect(JSON.parse(textOf((await client.call('GET', `/v2/${repository}/tags/list`)).bytes)).tags).toEqual(['latest'])
    for (const blob of image.blobs) {
      expect((await client.call('GET', `/v2/${repository}/blobs/${digestOf(blob)}`)).bytes).toEqual(blob)
    }
    expect((await client.call('DELETE', `/v2/${repository}/manifests/${digestOf(taggedOf(image).bytes)}`)).status).toBe(
      202,
    )
    expect((await client.call('GET', `/v2/${repository}/manifests/latest`)).status).toBe(404)
  })

  test('an address that is no repository, digest or tag is an error of the specification’s form', async () => {
    for (const [path, code] of [
      ['/v2/UPPER/manifests/latest', 'NAME_INVALID'],
      ['/v2/conformance/manifests/sha256:x', 'DIGEST_INVALID'],
      [`/v2/conformance/manifests/${'t'.repeat(129)}`, 'MANIFEST_INVALID'],
    ] as const) {
      const answer = await client.call('GET', path)
      expect([path, answer.status, answer.code]).toEqual([path, 400, code])
    }
  })
})
