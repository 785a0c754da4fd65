import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { policy } from '../../../registry/auth/policy.ts'
import { listen } from '../../../registry/listener.ts'
import { limits } from '../../../runtime/limits.ts'
import { openFixture, openServing, sendJson } from '../fixture.ts'

/** What a listener answers to bytes as they are. */
async function exchange(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(text)
  let answer = ''
  try {
    for await (const part of socket) {
      answer += part
      if (answer.includes('\r\n\r\n')) break
    }
  } finally {
    socket.destroy()
  }
  return answer.split('\r\n')[0] ?? ''
}

async function withListener(use: (url: string) => Promise<void>): Promise<void> {
  await using fixture = await openServing()
  await sendJson(fixture, 'POST', '/api/v1/tokens', { role: 'admin' })
  const listener = await listen(fixture.registry, '127.0.0.1', 0)
  try {
    await use(listener.url)
  } finally {
    await listener.close(0)
  }
}

describe('addresses', () => {
  test('AP-01 no other way of writing a protected path gets past its role', async () => {
    await withListener(async (url) => {
      for (const { method, path, role } of policy) {
        if (role === 'open' || path === '/') continue
        const plain = path
          .replace(':name{.+}', 'a')
          .replace(':digest', `sha256:${'0'.repeat(64)}`)
          .replace(/:\w+/g, 'e')
        const [first = '', ...rest] = plain.slice(1).split('/')
        const tail = rest.length > 0 ? `/${rest.join('/')}` : ''
        const tricks = [
          `/${plain}`,
          `/x/..${plain}`,
          `/healthz/..${plain}`,
          `/%${first.charCodeAt(0).toString(16)}${first.slice(1)}${tail}`,
          `/${first}%2F${rest.join('/')}`,
          `/demo/..%2f..${plain}`,
          `http://127.0.0.1${plain}`,
        ]
        for (const trick of tricks) {
          const status = await exchange(
            url,
            `${method} ${trick} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n`,
          )
          expect({ trick, method, status }).toEqual({
            trick,
            method,
            status: expect.stringMatching(/^HTTP\/1\.1 (400|401|404|405) /),
          })
        }
      }
    })
  })

  test('AP-02 a Host that is empty, missing, twice or foreign is refused', async () => {
    await withListener(async (url) => {
      const hosts = [
        'Host:\r\n',
        '',
        'Host: 127.0.0.1\r\nHost: evil.example\r\n',
        'Host: evil.example\r\n',
        'Host: a/b?c#\r\n',
      ]
      for (const host of hosts) {
        expect({ host, status: await exchange(url, `GET /healthz HTTP/1.1\r\n${host}\r\n`) }).toEqual({
          host,
          status: expect.stringMatching(/^HTTP\/1\.1 (400|421) /),
        })
      }
      for (const host of ['localhost', '127.0.0.1:4400', '[::1]:80', '192.168.0.4']) {
        expect(await exchange(url, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toBe('HTTP/1.1 200 OK')
      }
    })
  })

  test('a public address may be called by its name', async () => {
    await using fixture = await openFixture({ publicUrl: 'https://Models.example:8443/x' })
    const call = async (host: string) => (await fixture.request('/healthz', { headers: { host } })).status
    expect([await call('models.example'), await call('other.example')]).toEqual([200, 421])
  })

  test('AP-05 a header of 17 KiB is 431', async () => {
    await withListener(async (url) => {
      const header = `X-Long: ${'x'.repeat(17 * 1024)}`
      expect(await exchange(url, `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n`)).toMatch(/ 431 /)
    })
  })

  test('an unknown address is 404 and another method 405 with what is allowed', async () => {
    await using fixture = await openFixture()
    const missing = await fixture.request('/api/v1/nothing')
    expect(missing.headers.get('content-type')).toBe('application/problem+json')
    expect(await missing.json()).toEqual({
      type: 'NOT_FOUND',
      title: 'not found',
      status: 404,
      detail: 'there is nothing at this address',
      next: expect.any(String),
    })
    const wrong = await fixture.request('/api/v1/endpoints/e/traffic', { method: 'DELETE' })
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toBe('GET, HEAD, PUT')
    expect(await (await fixture.request('/v2/a/unknown')).json()).toMatchObject({ errors: [{ code: 'NOT_FOUND' }] })
  })
})

describe('bodies', () => {
  test('AP-13 fields that change prototypes are unknown fields', async () => {
    await using fixture = await openFixture()
    const bodies = [
      '{"role":"page","__proto__":{"admin":true}}',
      '{"role":"page","\\u005f_proto__":{"admin":true}}',
      '{"role":"page","constructor":{"prototype":{"admin":true}}}',
      '{"role":"page","role":"admin"}',
      '{"__proto__":{"role":"admin"}}',
    ]
    for (const body of bodies) expect((await sendJson(fixture, 'POST', '/api/v1/tokens', body)).status).toBe(400)
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
    expect(await (await fixture.request('/api/v1/tokens')).json()).toEqual({ items: [] })
  })

  test('of 1 MiB and one byte are 413, and nested or broken ones 400', async () => {
    await using fixture = await openFixture()
    const send = (body: string) => sendJson(fixture, 'PUT', '/api/v1/endpoints/e', body)
    const most = `{${' '.repeat(limits.controlBodyBytes - 2)}}`
    expect((await send(most)).status).toBe(201)
    expect((await send(`${most} `)).status).toBe(413)
    for (const body of ['', '{', '[]', 'null', '\ud800', `{"a":${'['.repeat(200)}${']'.repeat(200)}}`]) {
      expect({ body, status: (await send(body)).status }).toEqual({ body, status: 400 })
    }
  })

  test('of another type are 415', async () => {
    await using fixture = await openFixture()
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
      const answer = await sendJson(fixture, 'POST', '/api/v1/tokens', { role: 'page' }, { 'content-type': type })
      expect(answer.status).toBe(415)
    }
  })
})

describe('pages of other origins', () => {
  test('may ask before they call what is open to them, and nothing else', async () => {
    await using fixture = await openServing()
    const ask = async (method: string, path: string) =>
      await fixture.request(path, {
        method: 'OPTIONS',
        headers: { origin: 'https://shop.example', 'access-control-request-method': method },
      })
    const plan = await ask('GET', '/api/v1/endpoints/e/plan')
    expect(plan.status).toBe(204)
    expect(Object.fromEntries(plan.headers)).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET',
      'access-control-allow-headers': 'authorization, content-encoding, content-type, if-none-match, range',
    })
    expect((await ask('POST', '/api/v1/telemetry')).status).toBe(204)
    for (const [method, path] of [
      ['PUT', '/api/v1/endpoints/e/traffic'],
      ['POST', '/api/v1/tokens'],
      ['GET', '/api/v1/models'],
      ['PUT', '/v2/a/manifests/1'],
    ] as const) {
      const refused = await ask(method, path)
      expect(refused.headers.get('access-control-allow-origin')).toBeNull()
      expect(refused.status).toBe(405)
    }
  })

  test('can read answers and refusals of those routes', async () => {
    await using fixture = await openServing()
    for (const path of ['/api/v1/endpoints/e/plan', '/api/v1/endpoints/missing/plan', '/api/v1/keys']) {
      const answer = await fixture.request(path)
      expect(answer.headers.get('access-control-allow-origin')).toBe('*')
      expect(answer.headers.get('vary')).toContain('Authorization')
    }
    expect((await fixture.request('/api/v1/models')).headers.get('access-control-allow-origin')).toBeNull()
  })
})

test('/openapi.json describes every route of the control plane with its role', async () => {
  await using fixture = await openFixture()
  const document = (await (await fixture.request('/openapi.json')).json()) as {
    openapi: string
    paths: Record<string, Record<string, { 'x-role': string; summary: string }>>
  }
  expect(document.openapi).toBe('3.1.0')
  const described = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => `${method.toUpperCase()} ${path} ${operation['x-role']}`),
  )
  const wanted = policy
    .filter(({ path }) => path.startsWith('/api/'))
    .map(({ method, path, role }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')} ${role}`)
  expect(described.sort()).toEqual(wanted.sort())
})

test('AP-22 an unexpected error is logged and answered without its text', async () => {
  await using fixture = await openFixture()
  // Its database is gone from here on.
  await fixture.registry.close()
  const answer = await fixture.request('/api/v1/models')
  expect(answer.status).toBe(500)
  const text = await answer.text()
  expect(JSON.parse(text)).toMatchObject({ type: 'INTERNAL', detail: 'an unexpected error' })
  expect(text).not.toMatch(/node_modules|\/tmp|registry\//)
  expect(fixture.logged.at(-1)).toMatchObject({ level: 'error', path: '/api/v1/models' })
  await fixture.restart()
})
