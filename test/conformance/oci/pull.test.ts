import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forms, pushForm, taggedOf } from './forms.ts'
import { blobOf, type Client, digestOf, openClient, pushBlob } from './registry.ts'

let client: Client
beforeAll(async () => {
  client = await openClient()
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
})

describe('OCI Distribution 1.1, Determining Support', () => {
  test('GET /v2/ is 200', async () => {
    expect((await client.call('GET', '/v2/')).status).toBe(200)
  })
})

describe('OCI Distribution 1.1, Pulling manifests', () => {
  const form = forms.Index ?? { manifests: [], blobs: [] }
  const { bytes, mediaType } = taggedOf(form)
  beforeAll(async () => {
    await pushForm(client, 'conformance/pull', form, 'tag')
  })

  for (const reference of ['tag', digestOf(bytes)]) {
    test(`gives bytes, type, length and digest, and HEAD the same without the bytes: ${reference.slice(0, 10)}`, async () => {
      const path = `/v2/conformance/pull/manifests/${reference}`
      const headersOf = (headers: Headers) =>
        ['content-type', 'content-length', 'docker-content-digest'].map((name) => headers.get(name))
      const get = await client.call('GET', path, undefined, { accept: mediaType })
      const head = await client.call('HEAD', path)
      expect([get.status, get.bytes]).toEqual([200, bytes])
      expect([head.status, head.bytes.length]).toEqual([200, 0])
      const wanted = [mediaType, String(bytes.length), digestOf(bytes)]
      expect([headersOf(get.headers), headersOf(head.headers)]).toEqual([wanted, wanted])
    })
  }

  test('that are not there, by tag, by digest or in a repository that is not there, are 404', async () => {
    for (const path of [
      `/v2/conformance/pull/manifests/missing`,
      `/v2/conformance/pull/manifests/${digestOf(blobOf(1, 3))}`,
      '/v2/conformance/nowhere/manifests/tag',
    ]) {
      const get = await client.call('GET', path)
      expect([get.status, get.code]).toEqual([404, 'MANIFEST_UNKNOWN'])
      expect((await client.call('HEAD', path)).status).toBe(404)
    }
  })

  test('by a digest that is no digest are 400', async () => {
    const get = await client.call('GET', '/v2/conformance/pull/manifests/sha256:baddigeststring')
    expect([get.status, get.code]).toEqual([400, 'DIGEST_INVALID'])
  })
})

describe('OCI Distribution 1.1, Pulling blobs', () => {
  const blob = blobOf(5, 2048)
  const path = `/v2/conformance/pull/blobs/${digestOf(blob)}`
  beforeAll(async () => {
    await pushBlob(client, 'conformance/pull', blob)
  })

  test('gives the bytes, and HEAD their length', async () => {
    const get = await client.call('GET', path)
    expect([get.status, get.headers.get('docker-content-digest'), get.bytes]).toEqual([200, digestOf(blob), blob])
    const head = await client.call('HEAD', path)
    expect([head.status, head.headers.get('content-length'), head.headers.get('accept-ranges')]).toEqual([
      200,
      '2048',
      'bytes',
    ])
  })

  test('that are not there is 404 BLOB_UNKNOWN', async () => {
    const missing = `/v2/conformance/pull/blobs/${digestOf(blobOf(6, 3))}`
    const get = await client.call('GET', missing)
    expect([get.status, get.code]).toEqual([404, 'BLOB_UNKNOWN'])
    expect((await client.call('HEAD', missing)).status).toBe(404)
  })

  const ranges: [string, number, number][] = [
    ['bytes=500-1499', 500, 1500],
    ['bytes=500-', 500, 2048],
    ['bytes=-500', 1548, 2048],
    ['bytes=2000-5000', 2000, 2048],
  ]
  for (const [range, start, end] of ranges) {
    test(`a range is 206 with its Content-Range: ${range}`, async () => {
      const get = await client.call('GET', path, undefined, { range })
      expect([get.status, get.headers.get('content-range'), get.headers.get('content-length')]).toEqual([
        206,
        `bytes ${start}-${end - 1}/2048`,
        String(end - start),
      ])
      expect(get.bytes).toEqual(blob.slice(start, end))
    })
  }

  test('a range beyond the end is 416, and one that ends before it starts is ignored (RFC 9110, 14.1.1)', async () => {
    expect((await client.call('GET', path, undefined, { range: 'bytes=5000-10000' })).status).toBe(416)
    expect((await client.call('GET', path, undefined, { range: 'bytes=500-0' })).status).toBe(200)
  })
})
