/** Tokens that are limited to some models, and wrong tokens. */
import { describe, expect, test } from 'vitest'
import { policy } from '../../../registry/auth/policy.ts'
import { limits } from '../../../runtime/limits.ts'
import { digestOf, type Fixture, linearFiles, openFixture, openServing, pushModel, sendJson } from '../fixture.ts'

async function createToken(fixture: Fixture, body: object, token?: string): Promise<string> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await sendJson(fixture, 'POST', '/api/v1/tokens', body, headers)
  if (answer.status !== 201) throw new Error(await answer.text())
  return ((await answer.json()) as { secret: string }).secret
}

/** Model `a` behind endpoint `e`, model `b` behind `f`, tokens for `b` alone. */
async function openScoped() {
  const fixture = await openServing()
  await pushModel(fixture, 'b', '1', linearFiles([5, 6]))
  await sendJson(fixture, 'PUT', '/api/v1/endpoints/f/deployments/blue', { model: 'b', version: 1 })
  const admin = await createToken(fixture, { role: 'admin' })
  const operator = await createToken(fixture, { role: 'operator', models: ['b'] }, admin)
  const page = await createToken(fixture, { role: 'page', models: ['b'] }, admin)
  return { fixture, admin, operator, page }
}

/** An address of the route with these names in it. */
function addressOf(path: string, names: { model: string; endpoint: string }): string {
  return path
    .replace(':name{.+}', names.model)
    .replace(':model', names.model)
    .replace(':endpoint', names.endpoint)
    .replace(':digest', `sha256:${'0'.repeat(64)}`)
    .replace(':version', '1')
    .replace(/:\w+/g, 'blue')
}

describe('AU-10 a token that is limited to models', () => {
  const named = policy.filter(({ path, role }) => /:(name|model|endpoint)\b/.test(path) && role !== 'open')

  test.each(named)('is told by $method $path that another model is not there', async ({ method, path }) => {
    const { fixture, operator } = await openScoped()
    await using _ = fixture
    const answer = await fixture.request(addressOf(path, { model: 'a', endpoint: 'e' }), { method, token: operator })
    expect(answer.status).toBe(404)
    if (!path.includes(':endpoint')) {
      const missing = await fixture.request(addressOf(path, { model: 'c', endpoint: 'g' }), { method, token: operator })
      expect((await answer.text()).replaceAll(/\ba\b/g, 'c')).toBe(await missing.text())
    }
  })

  test('reads and changes its own', async () => {
    const { fixture, operator } = await openScoped()
    await using _ = fixture
    for (const path of ['/api/v1/models/b', '/v2/b/manifests/1', '/api/v1/endpoints/f', '/v2/b/tags/list']) {
      expect((await fixture.request(path, { token: operator })).status, path).toBe(200)
    }
    const authorization = `Bearer ${operator}`
    const put = (path: string, model: string) =>
      sendJson(fixture, 'PUT', path, { model, version: 1 }, { authorization })
    expect((await put('/api/v1/endpoints/f/deployments/green', 'b')).status).toBe(201)
    expect((await put('/api/v1/endpoints/f/deployments/red', 'a')).status).toBe(404)
    expect((await put('/api/v1/endpoints/h/deployments/red', 'a')).status).toBe(404)
  })

  test('sees in lists what it is limited to', async () => {
    const { fixture, operator } = await openScoped()
    await using _ = fixture
    for (const [path, name] of [
      ['/api/v1/models', 'b'],
      ['/api/v1/endpoints', 'f'],
    ]) {
      const { items } = (await (await fixture.request(path ?? '', { token: operator })).json()) as {
        items: { name: string }[]
      }
      expect(items.map((item) => item.name)).toEqual([name])
    }
  })

  test('AP-09 gets no cursor with the name of something else, and one that is cut or of another list is 400', async () => {
    const { fixture, admin, operator } = await openScoped()
    await using _ = fixture
    for (const name of ['c', 'd']) {
      const authorization = `Bearer ${admin}`
      await sendJson(
        fixture,
        'PUT',
        `/api/v1/endpoints/${name}/deployments/x`,
        { model: 'a', version: 1 },
        { authorization },
      )
    }
    const page = async (path: string, token: string) => {
      const answer = await fixture.request(path, { token })
      return {
        status: answer.status,
        ...((await answer.json()) as { items?: { name: string }[]; nextCursor?: string }),
      }
    }
    expect(await page('/api/v1/endpoints?limit=1', operator)).toEqual({ status: 200, items: [expect.anything()] })
    const first = await page('/api/v1/endpoints?limit=2', admin)
    expect(first.items?.map(({ name }) => name)).toEqual(['c', 'd'])
    const rest = await page(`/api/v1/endpoints?limit=2&cursor=${first.nextCursor}`, admin)
    expect(rest.items?.map(({ name }) => name)).toEqual(['e', 'f'])
    for (const path of [
      `/api/v1/tokens?cursor=${first.nextCursor}`,
      `/api/v1/endpoints?cursor=${first.nextCursor?.slice(0, -2)}`,
    ]) {
      expect((await page(path, admin)).status, path).toBe(400)
    }
  })

  test('is refused where nothing is named', async () => {
    const { fixture, operator } = await openScoped()
    await using _ = fixture
    for (const path of ['/', '/metrics']) {
      expect((await fixture.request(path, { token: operator })).status, path).toBe(403)
    }
  })

  test('BL-09 cannot mount a blob out of another model: 202, as for a blob that is nowhere', async () => {
    const { fixture, operator } = await openScoped()
    await using _ = fixture
    const mount = async (digest: string) => {
      const path = `/v2/b/blobs/uploads/?mount=${digest}&from=a`
      return (await fixture.request(path, { method: 'POST', token: operator })).status
    }
    expect(await mount(digestOf(linearFiles([1, 2])['model.onnx'] ?? new Uint8Array()))).toBe(202)
    expect(await mount(digestOf('nothing'))).toBe(202)
  })

  test('TE-12: reports for its own endpoint alone', async () => {
    const { fixture, page } = await openScoped()
    await using _ = fixture
    const report = async (endpoint: string) => {
      const body = {
        sender: 'a'.repeat(22),
        seq: 1,
        window: `${new Date().toISOString().slice(0, 16)}:00Z`,
        endpoint,
        revision: 1,
        profiles: [],
        exposures: [],
        outcomes: [],
      }
      return await sendJson(fixture, 'POST', '/api/v1/telemetry', body, { authorization: `Bearer ${page}` })
    }
    const refused = await report('e')
    expect(refused.status).toBe(422)
    expect((await refused.text()).replaceAll('endpoint e', 'endpoint g')).toBe(await (await report('g')).text())
    expect((await report('f')).status).toBe(200)
  })

  test('cannot be an admin', async () => {
    const { fixture, admin } = await openScoped()
    await using _ = fixture
    const headers = { authorization: `Bearer ${admin}` }
    const answer = await sendJson(fixture, 'POST', '/api/v1/tokens', { role: 'admin', models: ['b'] }, headers)
    expect(answer.status).toBe(400)
  })
})

describe('AU-07 wrong tokens', () => {
  test('from one address are told to wait past the limit, while a right one is let in', async () => {
    const { fixture, admin } = await openScoped()
    await using _ = fixture
    const ask = (token: string, from: string) => fixture.request('/api/v1/models', { token, from })
    for (let i = 0; i < limits.wrongTokens; i++) expect((await ask(`sv_admin_${i}`, '192.0.2.1')).status).toBe(401)
    const late = await ask('sv_admin_wrong', '192.0.2.1')
    expect(late.status).toBe(429)
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await ask(admin, '192.0.2.1')).status).toBe(200)
    expect((await ask('sv_admin_wrong', '192.0.2.2')).status).toBe(401)
  })

  test('TE-04 by way of a trusted proxy count for whom it speaks', async () => {
    await using fixture = await openFixture({ trustedProxies: '10.0.0.1' })
    const ask = (forwarded: string) =>
      fixture.request('/api/v1/models', {
        token: 'sv_admin_x',
        from: '10.0.0.1',
        headers: { 'x-forwarded-for': forwarded },
      })
    for (let i = 0; i < limits.wrongTokens; i++) expect((await ask(`198.51.100.${i}, 192.0.2.1`)).status).toBe(401)
    expect((await ask('192.0.2.1')).status).toBe(429)
    expect((await ask('192.0.2.2')).status).toBe(401)
  })
})
