import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bytesOf, digestOf, openFixture, pushBlob } from '../fixture.ts'

const hello = bytesOf('hello, blob')
const digest = digestOf(hello)

describe('a mount', () => {
  test('gives a blob of one repository to another without its bytes being sent', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', hello)
    const answer = await fixture.request(`/v2/team/b/blobs/uploads/?mount=${digest}&from=a`, { method: 'POST' })
    expect([answer.status, answer.headers.get('location'), answer.headers.get('docker-content-digest')]).toEqual([
      201,
      `/v2/team/b/blobs/${digest}`,
      digest,
    ])
    expect(await (await fixture.request(`/v2/team/b/blobs/${digest}`)).text()).toBe('hello, blob')
  })

  test('BL-09 of a blob that only a third repository holds becomes an upload, as of one that is nowhere', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'c', hello)
    for (const query of [
      `mount=${digest}&from=a`,
      `mount=${digestOf('nowhere')}&from=c`,
      `mount=${digest}`,
      'from=c',
    ]) {
      const answer = await fixture.request(`/v2/b/blobs/uploads/?${query}`, { method: 'POST' })
      expect([query, answer.status, answer.headers.get('range')]).toEqual([query, 202, '0-0'])
      expect((await fixture.request(`/v2/b/blobs/${digest}`)).status).toBe(404)
      const put = await fixture.request(`${answer.headers.get('location')}?digest=${digest}`, { method: 'DELETE' })
      expect(put.status).toBe(204)
    }
  })

  test('of a blob whose bytes are gone becomes an upload', async () => {
    await using fixture = await openFixture()
    await pushBlob(fixture, 'a', hello)
    rmSync(join(fixture.dataDir, 'blobs', 'sha256'), { recursive: true })
    const answer = await fixture.request(`/v2/b/blobs/uploads/?mount=${digest}&from=a`, { method: 'POST' })
    expect(answer.status).toBe(202)
  })

  test('UP-01, UP-18 names neither a path as a digest nor as a repository', async () => {
    await using fixture = await openFixture()
    const ask = async (query: string) =>
      (await fixture.request(`/v2/b/blobs/uploads/?${query}`, { method: 'POST' })).status
    expect(await ask('mount=sha256:..%2f..%2fcanary&from=a')).toBe(400)
    expect(await ask(`mount=${digest}&from=..%2fa`)).toBe(400)
  })
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
