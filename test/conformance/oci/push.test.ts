import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forms, imageType, pushForm } from './forms.ts'
import { type Bytes, blobOf, bytesOf, type Client, digestOf, openClient, pushBlob, startUpload } from './registry.ts'

let client: Client
beforeAll(async () => {
  client = await openClient()
})
afterAll(async () => {
  await client[Symbol.asyncDispose]()
})

const repository = 'conformance/push'
const chunkBytes = 1000

async function patch(location: string, blob: Bytes, start: number, end: number) {
  return await client.call('PATCH', location, blob.slice(start, end), {
    'content-range': `${start}-${end - 1}`,
    'content-type': 'application/octet-stream',
  })
}

async function pulled(location: string | null, blob: Bytes): Promise<void> {
  const got = await client.call('GET', location ?? '')
  expect([got.status, got.headers.get('content-length'), digestOf(got.bytes)]).toEqual([
    200,
    String(blob.length),
    digestOf(blob),
  ])
}

describe('OCI Distribution 1.1, Pushing blobs', () => {
  const bad = ['sha256:baddigeststring', 'sha512:ab', 'md5:00', 'nothing']
  for (const digest of bad) {
    test(`an invalid digest or an algorithm that is not supported is 400: ${digest}`, async () => {
      const location = await startUpload(client, repository)
      const put = await client.call('PUT', `${location}?digest=${digest}`, blobOf(1, 10))
      expect([put.status, put.code]).toEqual([400, 'DIGEST_INVALID'])
      expect(
        (await client.call('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, blobOf(1, 10))).status,
      ).toBe(400)
    })
  }
})

describe('OCI Distribution 1.1, Pushing a blob monolithically, POST then PUT', () => {
  test('the session has a UUID and a Location, and the blob is pulled from the last one', async () => {
    const blob = blobOf(2, 512)
    const started = await client.call('POST', `/v2/${repository}/blobs/uploads/`)
    expect(started.status).toBe(202)
    const location = started.headers.get('location') ?? ''
    expect(location).toMatch(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/)
    const put = await client.call('PUT', `${location}?digest=${digestOf(blob)}`, blob)
    expect(put.status).toBe(201)
    await pulled(put.headers.get('location'), blob)
  })

  test('an empty blob is a blob', async () => {
    const empty = new Uint8Array()
    const location = await startUpload(client, repository)
    const put = await client.call('PUT', `${location}?digest=${digestOf(empty)}`, empty)
    expect(put.status).toBe(201)
    await pulled(put.headers.get('location'), empty)
  })
})

describe('OCI Distribution 1.1, Pushing a blob monolithically, Single POST', () => {
  test('answers 201 with the Location of the blob', async () => {
    const blob = blobOf(3, 512)
    const post = await client.call('POST', `/v2/${repository}/blobs/uploads/?digest=${digestOf(blob)}`, blob)
    expect(post.status).toBe(201)
    await pulled(post.headers.get('location'), blob)
  })
})

describe('OCI Distribution 1.1, Pushing a blob in chunks', () => {
  test('in one chunk, and the session is closed with PUT', async () => {
    const blob = blobOf(4, 512)
    const location = await startUpload(client, repository)
    const chunk = await patch(location, blob, 0, 512)
    expect([chunk.status, chunk.headers.get('range')]).toEqual([202, '0-511'])
    const put = await client.call('PUT', `${chunk.headers.get('location')}?digest=${digestOf(blob)}`)
    expect(put.status).toBe(201)
    await pulled(put.headers.get('location'), blob)
  })

  for (const lastIn of ['PATCH', 'PUT'] as const) {
    test(`in three chunks, the last in ${lastIn}, each to the Location of the one before`, async () => {
      const blob = blobOf(lastIn.length, chunkBytes * 3 - 5)
      let location = await startUpload(client, repository)
      let start = 0
      for (const end of lastIn === 'PATCH' ? [chunkBytes, 2 * chunkBytes, blob.length] : [chunkBytes, 2 * chunkBytes]) {
        const chunk = await patch(location, blob, start, end)
        expect([chunk.status, chunk.headers.get('range')]).toEqual([202, `0-${end - 1}`])
        location = chunk.headers.get('location') ?? ''
        start = end
      }
      const rest = blob.slice(start)
      const range = { 'content-range': `${start}-${blob.length - 1}` }
      const path = `${location}?digest=${digestOf(blob)}`
      const put = lastIn === 'PUT' ? await client.call('PUT', path, rest, range) : await client.call('PUT', path)
      expect(put.status).toBe(201)
      await pulled(put.headers.get('location'), blob)
    })

    test(`a chunk out of order is 416, GET tells where to go on, and the upload ends well: last in ${lastIn}`, async () => {
      const blob = blobOf(lastIn.length + 50, chunkBytes * 3 - 5)
      let location = await startUpload(client, repository)
      const early = await patch(location, blob, chunkBytes, 2 * chunkBytes)
      expect(early.status).toBe(416)
      location = (await patch(location, blob, 0, chunkBytes)).headers.get('location') ?? ''
      for (const [start, end] of [
        [0, chunkBytes],
        [2 * chunkBytes, blob.length],
      ] as const) {
        expect((await patch(location, blob, start, end)).status).toBe(416)
      }
      const skipped = await client.call('PUT', `${location}?digest=${digestOf(blob)}`, blob.slice(2 * chunkBytes), {
        'content-range': `${2 * chunkBytes}-${blob.length - 1}`,
      })
      expect(skipped.status).toBe(416)
      const status = await client.call('GET', location)
      expect([status.status, status.headers.get('range')]).toEqual([204, `0-${chunkBytes - 1}`])
      location = status.headers.get('location') ?? ''
      await patch(location, blob, chunkBytes, 2 * chunkBytes)
      const rest = blob.slice(2 * chunkBytes)
      const range = { 'content-range': `${2 * chunkBytes}-${blob.length - 1}` }
      if (lastIn === 'PATCH') await client.call('PATCH', location, rest, range)
      const path = `${location}?digest=${digestOf(blob)}`
      const put = lastIn === 'PUT' ? await client.call('PUT', path, rest, range) : await client.call('PUT', path)
      expect(put.status).toBe(201)
      await pulled(put.headers.get('location'), blob)
    })
  }

  test('as a stream, one PATCH without Content-Range', async () => {
    const blob = blobOf(6, 512)
    const streamed = await client.call('PATCH', await startUpload(client, repository), blob)
    expect([streamed.status, streamed.headers.get('range')]).toEqual([202, '0-511'])
    const put = await client.call('PUT', `${streamed.headers.get('location')}?digest=${digestOf(blob)}`)
    expect(put.status).toBe(201)
    await pulled(put.headers.get('location'), blob)
  })

  test('an upload that is not there is 404 BLOB_UPLOAD_UNKNOWN', async () => {
    const unknown = `/v2/${repository}/blobs/uploads/00000000-0000-4000-8000-000000000000`
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const answer = await client.call(method, unknown)
      expect([method, answer.status, answer.code]).toEqual([method, 404, 'BLOB_UPLOAD_UNKNOWN'])
    }
  })
})

describe('OCI Distribution 1.1, Pushing blobs whose digest is another', () => {
  const blob = blobOf(7, chunkBytes)
  const digest = digestOf(blobOf(8, chunkBytes))
  const ways: Record<string, () => Promise<number>> = {
    'post only': async () =>
      (await client.call('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, blob)).status,
    'post+put': async () =>
      (await client.call('PUT', `${await startUpload(client, repository)}?digest=${digest}`, blob)).status,
    chunked: async () => {
      const location = await startUpload(client, repository)
      await patch(location, blob, 0, 400)
      await patch(location, blob, 400, blob.length)
      return (await client.call('PUT', `${location}?digest=${digest}`)).status
    },
    'chunked and put chunk': async () => {
      const location = await startUpload(client, repository)
      await patch(location, blob, 0, 400)
      return (await client.call('PUT', `${location}?digest=${digest}`, blob.slice(400))).status
    },
    stream: async () => {
      const location = await startUpload(client, repository)
      await client.call('PATCH', location, blob)
      return (await client.call('PUT', `${location}?digest=${digest}`)).status
    },
  }
  for (const [name, push] of Object.entries(ways)) {
    test(`is 400, and neither digest is there: ${name}`, async () => {
      expect(await push()).toBe(400)
      for (const each of [digest, digestOf(blob)]) {
        expect((await client.call('HEAD', `/v2/${repository}/blobs/${each}`)).status).toBe(404)
      }
    })
  }
})

describe('OCI Distribution 1.1, Cancel a blob upload', () => {
  test('is 204, and the session is gone', async () => {
    const location = await startUpload(client, repository)
    await patch(location, blobOf(9, 10), 0, 10)
    expect((await client.call('DELETE', location)).status).toBe(204)
    expect((await client.call('GET', location)).status).toBe(404)
  })
})

describe('OCI Distribution 1.1, Mounting a blob from another repository', () => {
  test('is 201 with the Location of the blob', async () => {
    const blob = blobOf(10, 512)
    await pushBlob(client, 'conformance/source', blob)
    const query = `mount=${digestOf(blob)}&from=conformance/source`
    const mounted = await client.call('POST', `/v2/${repository}/blobs/uploads/?${query}`)
    expect(mounted.status).toBe(201)
    await pulled(mounted.headers.get('location'), blob)
  })

  test('of what is not there, or without a source, is 202, and the upload goes on', async () => {
    const blob = blobOf(11, 512)
    for (const query of [`mount=${digestOf(blob)}&from=conformance/source`, `mount=${digestOf(blob)}`]) {
      const started = await client.call('POST', `/v2/${repository}/blobs/uploads/?${query}`)
      expect(started.status).toBe(202)
      const put = await client.call('PUT', `${started.headers.get('location')}?digest=${digestOf(blob)}`, blob)
      expect(put.status).toBe(201)
    }
  })
})

describe('OCI Distribution 1.1, Pushing Manifests', () => {
  for (const [name, form] of Object.entries(forms)) {
    test(`is 201 by digest and by tag with a Location from which the same bytes come: ${name}`, async () => {
      const answers = await pushForm(client, `conformance/${name.toLowerCase().replaceAll(' ', '-')}`, form, 'latest')
      const pushed = [...form.manifests, ...form.manifests.slice(-1)]
      for (const [i, answer] of answers.entries()) {
        const { bytes, mediaType, subject = null } = pushed[i] ?? { bytes: new Uint8Array(), mediaType: '' }
        expect([answer.status, answer.headers.get('docker-content-digest'), answer.headers.get('oci-subject')]).toEqual(
          [201, digestOf(bytes), subject],
        )
        const got = await client.call('GET', answer.headers.get('location') ?? '')
        expect([got.status, got.headers.get('content-type'), digestOf(got.bytes)]).toEqual([
          200,
          mediaType,
          digestOf(bytes),
        ])
      }
    })
  }

  test('one that names a blob that is not there is 404 MANIFEST_BLOB_UNKNOWN', async () => {
    const { manifests } = forms.Image ?? { manifests: [] }
    for (const { bytes, mediaType } of manifests) {
      const put = await client.call('PUT', '/v2/conformance/sparse/manifests/latest', bytes, {
        'content-type': mediaType,
      })
      expect([put.status, put.code]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN'])
    }
  })

  test('one to a digest that is not its own, or that is no digest, is 400', async () => {
    const bytes = bytesOf({ schemaVersion: 2, manifests: [] })
    for (const digest of [digestOf(bytesOf('other')), 'sha256:baddigeststring']) {
      const put = await client.call('PUT', `/v2/${repository}/manifests/${digest}`, bytes)
      expect([put.status, put.code]).toEqual([400, 'DIGEST_INVALID'])
    }
  })

  test('one larger than 4 MiB is 413, and parameters of the Content-Type are ignored', async () => {
    const manifest = (filler: string) =>
      bytesOf({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [],
        annotations: { filler },
      })
    const large = manifest('x'.repeat(4 * 1024 * 1024))
    expect((await client.call('PUT', `/v2/${repository}/manifests/large`, large)).status).toBe(413)
    const type = { 'content-type': 'application/vnd.oci.image.index.v1+json; charset=utf-8' }
    expect((await client.call('PUT', `/v2/${repository}/manifests/small`, manifest(''), type)).status).toBe(201)
    const other = { 'content-type': imageType }
    expect((await client.call('PUT', `/v2/${repository}/manifests/small`, manifest(''), other)).status).toBe(400)
  })
})
