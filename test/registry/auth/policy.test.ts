import { describe, expect, test } from 'vitest'
import { policy, type RoutePolicy } from '../../../registry/auth/policy.ts'
import { listen } from '../../../registry/listener.ts'
import type { Role } from '../../../runtime/contract/control.ts'
import { digestOf, type Fixture, openFixture, openServing, sendJson } from '../fixture.ts'

const roles: readonly Role[] = ['page', 'reader', 'writer', 'operator', 'admin']

async function createToken(fixture: Fixture, role: Role, token?: string): Promise<{ id: string; secret: string }> {
  const answer = await sendJson(
    fixture,
    'POST',
    '/api/v1/tokens',
    { role },
    token === undefined ? {} : { authorization: `Bearer ${token}` },
  )
  expect(answer.status).toBe(201)
  return (await answer.json()) as { id: string; secret: string }
}

async function openWithTokens() {
  const fixture = await openServing()
  const admin = await createToken(fixture, 'admin')
  const secrets: Record<string, string> = { admin: admin.secret }
  for (const role of roles.slice(0, 4)) secrets[role] = (await createToken(fixture, role, admin.secret)).secret
  const revoked = await createToken(fixture, 'admin', admin.secret)
  await fixture.request(`/api/v1/tokens/${revoked.id}`, { method: 'DELETE', token: admin.secret })
  secrets.revoked = revoked.secret
  return { fixture, secrets }
}

/** An address of the route that names things which are not there. */
function addressOf({ path }: RoutePolicy): string {
  return path
    .replace(':name{.+}', 'missing')
    .replace(':digest', `sha256:${'0'.repeat(64)}`)
    .replace(':token', '00000000-0000-4000-8000-000000000000')
    .replace(':version', '1')
    .replace(/:\w+/g, 'missing')
    .replace('*', 'missing')
}

describe('AU-06 every route by every caller', () => {
  test('has a row, and no row is without a route', async () => {
    await using fixture = await openFixture()
    const routes = fixture.registry.app.routes.filter(({ method }) => method !== 'ALL')
    const registered = new Set(routes.map(({ method, path }) => `${method} ${path}`))
    expect([...registered].sort()).toEqual(policy.map(({ method, path }) => `${method} ${path}`).sort())
  })

  test('answers 401 without a token, 403 below the least role, and neither from it on', async () => {
    const { fixture, secrets } = await openWithTokens()
    await using _ = fixture
    const verdicts: Record<string, Record<string, string>> = {}
    const expected: typeof verdicts = {}
    for (const row of policy) {
      const key = `${row.method} ${row.path}`
      verdicts[key] = {}
      expected[key] = {}
      for (const caller of ['none', 'revoked', 'wrong', ...roles]) {
        const token = caller === 'none' ? undefined : (secrets[caller] ?? 'sv_admin_wrong')
        const answer = await fixture.request(addressOf(row), {
          method: row.method,
          ...(token !== undefined && { token }),
        })
        verdicts[key][caller] = answer.status === 401 ? '401' : answer.status === 403 ? '403' : 'in'
        expected[key][caller] = verdict(row, caller)
      }
    }
    expect(verdicts).toEqual(expected)
  })

  test('TE-01, BR-09 a page token reads plans, their blobs, keys and runtime files and reports, and nothing else', () => {
    const open = policy.filter(({ role }) => role === 'page').map(({ method, path }) => `${method} ${path}`)
    expect(open).toEqual([
      'GET /v2/:name{.+}/blobs/:digest',
      'GET /api/v1/endpoints/:endpoint/plan',
      'POST /api/v1/telemetry',
    ])
  })

  function verdict({ role }: RoutePolicy, caller: string): string {
    if (caller === 'revoked' || caller === 'wrong') return '401'
    if (role === 'open') return 'in'
    if (caller === 'none') return '401'
    return roles.indexOf(caller as Role) >= roles.indexOf(role) ? 'in' : '403'
  }
})

describe('a page token', () => {
  test('gets the blobs that a plan in force names and cannot tell others from what is not there', async () => {
    const { fixture, secrets } = await openWithTokens()
    await using _ = fixture
    const { page = '', admin = '' } = secrets
    const plan = await fixture.request('/api/v1/endpoints/e/plan', { token: page })
    const [, payload = ''] = (await plan.text()).split('.')
    const { deployments } = JSON.parse(Buffer.from(payload, 'base64url').toString())
    const [{ description, spec, variants }] = deployments
    for (const digest of [description, spec, variants[0].files[0].digest]) {
      expect((await fixture.request(`/v2/a/blobs/${digest}`, { token: page })).status).toBe(200)
    }
    const manifest = await fixture.request('/v2/a/manifests/1', { token: admin })
    const { config } = (await manifest.json()) as { config: { digest: string } }
    expect((await fixture.request(`/v2/a/blobs/${config.digest}`, { token: admin })).status).toBe(200)
    const hidden = await fixture.request(`/v2/a/blobs/${config.digest}`, { token: page })
    const missing = await fixture.request(`/v2/a/blobs/${digestOf('nothing')}`, { token: page })
    expect([hidden.status, missing.status]).toEqual([404, 404])
    expect(JSON.stringify(await hidden.json()).replaceAll(config.digest, '')).toBe(
      JSON.stringify(await missing.json()).replaceAll(digestOf('nothing'), ''),
    )
  })

  test('loses a blob with the deployment that named it', async () => {
    const { fixture, secrets } = await openWithTokens()
    await using _ = fixture
    const { page = '', admin = '' } = secrets
    const version = await fixture.request('/v2/a/manifests/2', { token: admin })
    const { layers } = (await version.json()) as { layers: { digest: string }[] }
    const path = `/v2/a/blobs/${layers[0]?.digest}`
    expect((await fixture.request(path, { token: page })).status).toBe(200)
    await fixture.request('/api/v1/endpoints/e/deployments/green', { method: 'DELETE', token: admin })
    expect((await fixture.request(path, { token: page })).status).toBe(404)
  })
})

describe('who needs no token', () => {
  test('the operator on loopback, until a token other than for pages exists', async () => {
    await using fixture = await openFixture()
    expect((await fixture.request('/api/v1/tokens')).status).toBe(200)
    await createToken(fixture, 'page')
    expect((await fixture.request('/api/v1/tokens')).status).toBe(200)
    const { id, secret } = await createToken(fixture, 'admin')
    expect((await fixture.request('/api/v1/tokens')).status).toBe(401)
    await fixture.request(`/api/v1/tokens/${id}`, { method: 'DELETE', token: secret })
    expect((await fixture.request('/api/v1/tokens')).status).toBe(200)
    expect((await fixture.request('/api/v1/tokens', { token: secret })).status).toBe(401)
  })

  test('nobody from another machine, nor through a proxy on this one', async () => {
    await using fixture = await openFixture()
    expect((await fixture.request('/api/v1/models', { from: '127.0.0.1' })).status).toBe(200)
    expect((await fixture.request('/api/v1/models', { from: '::ffff:127.0.0.1' })).status).toBe(200)
    expect((await fixture.request('/api/v1/models', { from: '10.0.0.9' })).status).toBe(401)
    const proxied = { headers: { 'x-forwarded-for': '203.0.113.7' } }
    expect((await fixture.request('/api/v1/models', proxied)).status).toBe(401)
  })

  test('no web page of a foreign site, and one of a local development server as a page', async () => {
    await using fixture = await openServing()
    const statuses = async (origin: string) => [
      (await fixture.request('/api/v1/endpoints/e/plan', { headers: { origin } })).status,
      (await fixture.request('/v2/b/blobs/uploads/', { method: 'POST', headers: { origin } })).status,
    ]
    expect(await statuses('https://evil.example')).toEqual([401, 401])
    expect(await statuses('null')).toEqual([401, 401])
    expect(await statuses('http://localhost:5173')).toEqual([200, 403])
    expect(await statuses('http://localhost')).toEqual([200, 202])
  })
})

describe('tokens', () => {
  test('are accepted as Bearer and as the password of Basic', async () => {
    await using fixture = await openFixture()
    const { secret } = await createToken(fixture, 'admin')
    expect(secret).toMatch(/^sv_admin_[A-Za-z0-9_-]{43}$/)
    const basic = `Basic ${Buffer.from(`anyone:${secret}`).toString('base64')}`
    expect((await fixture.request('/v2/', { headers: { authorization: basic } })).status).toBe(200)
    expect((await fixture.request('/v2/', { token: secret })).status).toBe(200)
    for (const authorization of ['Basic ', 'Basic bm9jb2xvbg==', secret, 'Digest x', 'Bearer']) {
      const answer = await fixture.request('/v2/', { headers: { authorization } })
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toContain('Basic')
    }
  })

  test('are stored as their digest alone and shown once', async () => {
    await using fixture = await openFixture()
    const { secret } = await createToken(fixture, 'page')
    expect(secret).toMatch(/^page_/)
    const listed = await (await fixture.request('/api/v1/tokens')).text()
    expect(listed).not.toContain(secret.slice(5))
    const { readFileSync, readdirSync } = await import('node:fs')
    for (const file of readdirSync(fixture.dataDir, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      expect(readFileSync(`${file.parentPath}/${file.name}`).includes(secret)).toBe(false)
    }
  })

  test('AU-09 a role that is not in the list, and a field that is not in the schema, are refused', async () => {
    await using fixture = await openFixture()
    for (const body of [{ role: 'root' }, { role: 'page', admin: true }, {}]) {
      expect((await sendJson(fixture, 'POST', '/api/v1/tokens', body)).status).toBe(400)
    }
    expect(await (await fixture.request('/api/v1/tokens')).json()).toEqual({ items: [] })
  })
})

test('AU-11 an address other than loopback is refused while no token exists', async () => {
  await using fixture = await openFixture()
  await expect(listen(fixture.registry, '0.0.0.0', 0)).rejects.toMatchObject({ code: 'REFUSED_TO_START' })
  await createToken(fixture, 'admin')
  const listener = await listen(fixture.registry, '0.0.0.0', 0)
  await listener.close(0)
})

test('AU-08 a revoked token is refused from the next request on', async () => {
  await using fixture = await openServing()
  const first = await createToken(fixture, 'admin')
  const second = await createToken(fixture, 'admin', first.secret)
  const ask = async () => (await fixture.request('/api/v1/models', { token: second.secret })).status
  expect(await ask()).toBe(200)
  await fixture.request(`/api/v1/tokens/${second.id}`, { method: 'DELETE', token: first.secret })
  expect(await ask()).toBe(401)
})
