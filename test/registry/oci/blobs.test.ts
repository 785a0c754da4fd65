import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../runtime/limits.ts'
import { bytesOf, digestOf, type Fixture, openFixture, pushBlob } from '../fixture.ts'

const hello = bytesOf('hello, blob')
const wrong = bytesOf('other bytes')

function left(fixture: Fixture): string[] {
  return readdirSync(join(fixture.dataDir, 'blobs', 'incoming'))
}

describe('OCI Distribution 1.1, Pushing a blob monolithically', () => {
  test('by POST then PUT gives back the same bytes', async () => {
    await using fixture = await openFixture()
    const started = await fixture.request('/v2/a/blobs/uploads/', { method: 'POST' })
    expect(started.status).toBe(202)
    const location = started.headers.get('location') ?? ''
    expect((await fixture.request(location)).status).toBe(204)
    const put = await fixture.request(`${location}?digest=${digestOf(hello)}`, { method: 'PUT', body: hello })
    expect(put.status).toBe(201)
    expect(put.headers.get('location')).toBe(`/v2/a/blobs/${digestOf(hello)}`)
    const got = await fixture.request(`/v2/a/blobs/${digestOf(hello)}`)
    expect(new Uint8Array(await got.arrayBuffer())).toEqual(hello)
    expect((await fixture.request(location)).status).toBe(404)
  })

  test('by a single POST', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', hello)
    const head = await fixture.request(`/v2/a/blobs/${digestOf(hello)}`, { method: 'HEAD' })
    expect(Object.fromEntries(head.headers)).toMatchObject({
      'content-length': String(hello.length),
      'docker-content-digest': digestOf(hello),
      etag: `"${digestOf(hello)}"`,
      'cache-control': 'private, max-age=31536000, immutable',
    })
  })

  for (const way of ['single POST', 'POST and PUT']) {
    test(`UP-04 refuses right size and wrong bytes and keeps nothing: ${way}`, async () => {
      await using fixture = await openFixture()
      const digest = digestOf(hello)
      const started = await fixture.request('/v2/a/blobs/uploads/', { method: 'POST' })
      const answer =
        way === 'single POST'
          ? await fixture.request(`/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: wrong })
          : await fixture.request(`${started.headers.get('location')}?digest=${digest}`, { method: 'PUT', body: wrong })
      expect({ status: answer.status, body: await answer.json() }).toMatchObject({
        status: 400,
        body: { errors: [{ code: 'DIGEST_INVALID' }] },
      })
      for (const each of [digest, digestOf(wrong)]) {
        expect((await fixture.request(`/v2/a/blobs/${each}`)).status).toBe(404)
      }
      expect(left(fixture)).toEqual([])
    })
  }

  test('another token’s upload does not exist', async () => {
    await using fixture = await openFixture()
    const tokens: string[] = []
    for (const name of ['one', 'two', 'three']) {
      const [token] = tokens
      const answer = await fixture.request('/api/v1/tokens', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ role: tokens.length === 0 ? 'admin' : 'writer', name }),
        ...(token !== undefined && { token }),
      })
      tokens.push(((await answer.json()) as { secret: string }).secret)
    }
    const [, one = '', two = ''] = tokens
    const started = await fixture.request('/v2/a/blobs/uploads/', { method: 'POST', token: one })
    const path = `${started.headers.get('location')}?digest=${digestOf(hello)}`
    const stolen = await fixture.request(path, { method: 'PUT', body: hello, token: two })
    expect(stolen.status).toBe(404)
    expect((await fixture.request(path, { method: 'PUT', body: hello, token: one })).status).toBe(201)
  })
})

describe('UP-13 uploads that are opened and never finished', () => {
  const start = (fixture: Fixture, token?: string) =>
    fixture.request('/v2/a/blobs/uploads/', { method: 'POST', ...(token !== undefined && { token }) })

  test('are refused past 32 of one token, until one is cancelled; whole blobs and others go on', async () => {
    await using fixture = await openFixture()
    const { headers } = await start(fixture)
    for (let open = 1; open < limits.openUploads; open++) expect((await start(fixture)).status).toBe(202)
    const refused = await start(fixture)
    expect({ status: refused.status, body: await refused.json() }).toMatchObject({
      status: 429,
      body: { errors: [{ code: 'TOOMANYREQUESTS' }] },
    })
    expect(refused.headers.get('retry-after')).toBe('60')
    await pushBlob(fixture, 'a', hello)
    await fixture.request(headers.get('location') ?? '', { method: 'DELETE' })
    expect((await start(fixture)).status).toBe(202)
    const admin = await fixture.request('/api/v1/tokens', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ role: 'admin' }),
    })
    const { secret } = (await admin.json()) as { secret: string }
    expect((await start(fixture, secret)).status).toBe(202)
  })

  test('are gone a day later', async () => {
    let at = Date.parse('2026-11-24T10:00:00Z')
    await using fixture = await openFixture({ now: () => at })
    const location = (await start(fixture)).headers.get('location') ?? ''
    at += limits.uploadSessionMs
    await fixture.restart()
    expect((await fixture.request(location)).status).toBe(204)
    at += 1
    await fixture.restart()
    expect((await fixture.request(location)).status).toBe(404)
  })
})

describe('OCI Distribution 1.1, Pulling blobs', () => {
  const cases: [string, number, string | null, string][] = [
    ['bytes=0-4', 206, 'bytes 0-4/11', 'hello'],
    ['bytes=7-', 206, 'bytes 7-10/11', 'blob'],
    ['bytes=-4', 206, 'bytes 7-10/11', 'blob'],
    ['bytes=7-99', 206, 'bytes 7-10/11', 'blob'],
    ['bytes=11-', 416, 'bytes */11', ''],
    ['bytes=-0', 416, 'bytes */11', ''],
    ['bytes=5-4', 200, null, 'hello, blob'],
    ['bytes=0-1,4-5', 200, null, 'hello, blob'],
    ['rows=0-4', 200, null, 'hello, blob'],
  ]
  for (const [range, status, contentRange, text] of cases) {
    test(`answers Range ${range} with ${status}`, async () => {
      await using fixture = await openFixture()
      await pushBlob(fixture, 'a', hello)
      const answer = await fixture.request(`/v2/a/blobs/${digestOf(hello)}`, { headers: { range } })
      expect(answer.status).toBe(status)
      expect(answer.headers.get('content-range')).toBe(contentRange)
      expect(await answer.text()).toBe(text)
    })
  }

  test('gives a range across 4 MiB chunks byte for byte', async () => {
    await using fixture = await openFixture()
    const large = new Uint8Array(9 * 1024 * 1024).map((_, i) => (i * 31) % 251)
    await pushBlob(fixture, 'a', large)
    const range = { range: `bytes=${4 * 1024 * 1024 - 3}-${8 * 1024 * 1024 + 2}` }
    const answer = await fixture.request(`/v2/a/blobs/${digestOf(large)}`, { headers: range })
    const got = new Uint8Array(await answer.arrayBuffer())
    expect(digestOf(got)).toBe(digestOf(large.subarray(4 * 1024 * 1024 - 3, 8 * 1024 * 1024 + 3)))
  })

  test('answers 304 to the ETag that the caller has', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', hello)
    const path = `/v2/a/blobs/${digestOf(hello)}`
    expect((await fixture.request(path, { headers: { 'if-none-match': `"${digestOf(hello)}"` } })).status).toBe(304)
  })

  test('a blob that only another repository holds does not exist', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', hello)
    expect((await fixture.request(`/v2/b/blobs/${digestOf(hello)}`)).status).toBe(404)
  })
})

describe('digests and names in addresses', () => {
  test('UP-01 a digest that is a path is DIGEST_INVALID before anything is opened', async () => {
    await using fixture = await openFixture()
    for (const digest of ['sha256:..%2f..%2f..%2fcanary', 'sha256:ABC', 'sha512:00', 'sha256:%00', 'canary']) {
      const answers = [
        await fixture.request(`/v2/a/blobs/${digest}`),
        await fixture.request(`/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: hello }),
      ]
      for (const answer of answers) {
        expect({ status: answer.status, body: await answer.json() }).toMatchObject({
          status: 400,
          body: { errors: [{ code: 'DIGEST_INVALID' }] },
        })
      }
    }
    expect(left(fixture)).toEqual([])
  })

  test('UP-02, UP-18 a name that is no name is NAME_INVALID', async () => {
    await using fixture = await openFixture()
    const names = [
      '..%2f..%2fcanary',
      '%252e%252e',
      'a%00b',
      'a%2f..%2fb',
      '%20..',
      '%09',
      'A',
      '...',
      'model..1',
      'model%2f',
      `${'a'.repeat(129)}`,
      `${'a/'.repeat(128)}b`,
      '%E2%80%8F',
    ]
    for (const name of names) {
      for (const path of [`/v2/${name}/manifests/1`, `/v2/${name}/tags/list`, `/v2/${name}/blobs/${digestOf(hello)}`]) {
        const answer = await fixture.request(path)
        expect({ path, status: answer.status, body: await answer.json() }).toMatchObject({
          path,
          status: 400,
          body: { errors: [{ code: 'NAME_INVALID' }] },
        })
      }
    }
    expect((await fixture.request('/v2//manifests/1')).status).toBe(400)
    expect((await fixture.request(`/v2/${'a'.repeat(128)}/tags/list`)).status).toBe(404)
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
