/** Aliases: moved by compare-and-set or by a push, and never forgotten. */
import { describe, expect, test } from 'vitest'
import { type Fixture, linearFiles, modelManifest, openFixture, pushModel, putManifest, sendJson } from '../fixture.ts'

const path = '/api/v1/models/a/aliases/champion'

/** Model `a` with versions 1 and 2, and a clock that is set by hand. */
async function openModel() {
  const clock = { now: Date.parse('2026-11-24T03:00:00Z') }
  const fixture = await openFixture({ now: () => clock.now })
  await pushModel(fixture, 'a', '1', linearFiles([1, 2]))
  await pushModel(fixture, 'a', '2', linearFiles([3, 4]))
  return { fixture, clock }
}

const move = (fixture: Fixture, version: number, headers: Record<string, string> = {}) =>
  sendJson(fixture, 'PUT', path, { version }, headers)

async function etag(fixture: Fixture): Promise<string> {
  return (await fixture.request(path)).headers.get('etag') ?? ''
}

async function versionAt(fixture: Fixture, at: string): Promise<number | undefined> {
  const answer = await fixture.request(`${path}?at=${at}`)
  return answer.status === 404 ? undefined : ((await answer.json()) as { version: number }).version
}

describe('an alias', () => {
  test('is made, moved with the ETag of where it points, and not without', async () => {
    const { fixture } = await openModel()
    await using _ = fixture
    expect((await move(fixture, 1)).status).toBe(200)
    expect((await move(fixture, 2)).status).toBe(428)
    const first = await etag(fixture)
    expect((await move(fixture, 2, { 'if-match': first })).status).toBe(200)
    expect((await move(fixture, 1, { 'if-match': first })).status).toBe(412)
    expect((await move(fixture, 1, { 'if-none-match': '*' })).status).toBe(412)
    expect(await (await fixture.request('/api/v1/models/a/aliases')).json()).toEqual({
      items: [{ alias: 'champion', version: 2, movedAt: expect.any(String) }],
    })
  })

  test('of two that move it at once, one wins', async () => {
    const { fixture } = await openModel()
    await using _ = fixture
    await move(fixture, 1)
    const seen = { 'if-match': await etag(fixture) }
    const answers = await Promise.all([move(fixture, 2, seen), move(fixture, 2, seen), move(fixture, 2, seen)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412])
  })

  test('tells what it pointed to at any moment, whichever way it was moved', async () => {
    const { fixture, clock } = await openModel()
    await using _ = fixture
    const at = (time: string) => {
      clock.now = Date.parse(`2026-11-24T${time}Z`)
    }
    at('03:05:00')
    await move(fixture, 1)
    at('03:10:00')
    await putManifest(fixture, 'a', 'champion', await modelManifest(fixture, 'a', linearFiles([3, 4])))
    at('03:20:00')
    await move(fixture, 1, { 'if-match': await etag(fixture) })
    at('03:30:00')
    expect((await fixture.request('/v2/a/manifests/champion', { method: 'DELETE' })).status).toBe(202)
    const times = ['03:04:59', '03:05:00', '03:09:59', '03:10:00', '03:25:00', '03:30:00']
    expect(await Promise.all(times.map((time) => versionAt(fixture, `2026-11-24T${time}Z`)))).toEqual([
      undefined,
      1,
      1,
      2,
      1,
      undefined,
    ])
    const { items } = (await (await fixture.request(`${path}/history`)).json()) as { items: { version?: number }[] }
    expect(items.map(({ version }) => version)).toEqual([undefined, 1, 2, 1])
  })

  test('keeps who moved it and why, in pages', async () => {
    const { fixture } = await openModel()
    await using _ = fixture
    const made = await sendJson(fixture, 'POST', '/api/v1/tokens', { role: 'admin' })
    const { id, secret } = (await made.json()) as { id: string; secret: string }
    const authorization = `Bearer ${secret}`
    await sendJson(fixture, 'PUT', path, { version: 1, why: 'p95' }, { authorization })
    await sendJson(fixture, 'PUT', path, { version: 2, why: 'better' }, { authorization, 'if-match': '*' })
    const first = await fixture.request(`${path}/history?limit=1`, { token: secret })
    const { items, nextCursor } = (await first.json()) as { items: unknown[]; nextCursor: string }
    expect(items).toMatchObject([{ version: 2, by: id, why: 'better' }])
    const next = await fixture.request(`${path}/history?limit=1&cursor=${nextCursor}`, { token: secret })
    expect(await next.json()).toMatchObject({ items: [{ version: 1, by: id, why: 'p95' }] })
  })

  test('to a version that is not there is 404, a number for a name 400', async () => {
    const { fixture } = await openModel()
    await using _ = fixture
    expect((await move(fixture, 9)).status).toBe(404)
    expect((await sendJson(fixture, 'PUT', '/api/v1/models/a/aliases/3', { version: 1 })).status).toBe(400)
    expect((await fixture.request(path)).status).toBe(404)
    expect((await fixture.request(`${path}/history`)).status).toBe(404)
  })

  test('pushed again to where it points makes no move', async () => {
    const { fixture } = await openModel()
    await using _ = fixture
    await move(fixture, 1)
    const before = await etag(fixture)
    await putManifest(fixture, 'a', 'champion', await modelManifest(fixture, 'a', linearFiles([1, 2])))
    expect(await etag(fixture)).toBe(before)
  })

  test('AP-19 of a version that serves cannot be taken away by either route', async () => {
    const { fixture } = await openModel()
    await using _ = fixture
    await move(fixture, 1)
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/deployments/blue', { model: 'a', version: 1 })
    for (const each of [path, '/v2/a/manifests/champion']) {
      expect((await fixture.request(each, { method: 'DELETE' })).status).toBe(409)
    }
  })
})
