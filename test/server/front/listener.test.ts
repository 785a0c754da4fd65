import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { joinBytes } from '../../../runtime/bytes.ts'
import { limits } from '../../../runtime/limits.ts'
import { openNetworks } from '../../../runtime/network.ts'
import { createApp } from '../../../server/front/app.ts'
import { type Listener, openListener } from '../../../server/front/listener.ts'
import { openNodeExchange } from '../../../server/front/node-exchange.ts'
import type { Scoring } from '../../../server/scoring.ts'
import { ambiguousRequests, sendText } from '../../fixtures/wire.ts'
import { idleScoring } from './fixture.ts'

const decoder = new TextDecoder()

describe('the scoring listener', () => {
  let listener: Listener
  let bodies: Uint8Array[]
  let signals: AbortSignal[]
  let answered: PromiseWithResolvers<void>

  const scoring: Scoring = {
    ...idleScoring,
    endpoints: ['echo'],
    endpoint: (name) => (name === 'echo' ? { isReady: true, revision: 1, deployments: [] } : undefined),
    async ask(_type, meta, body, signal) {
      const bytes = joinBytes(body)
      bodies.push(bytes)
      if (signal !== undefined) signals.push(signal)
      if (meta.unit === 'wait') await answered.promise
      return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: bytes }
    },
  }

  beforeEach(async () => {
    bodies = []
    signals = []
    answered = Promise.withResolvers()
    listener = await openListener(
      createApp({ scoring, exchange: openNodeExchange(), mostBodyBytes: 64 * 1024 * 1024 }),
      {
        host: '127.0.0.1',
        port: 0,
      },
    )
  })

  afterEach(async () => {
    answered.resolve()
    await listener.close()
  })

  const infer = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${listener.url}/v2/models/echo/infer`, { method: 'POST', body, headers })

  test('gives the bytes of the body to scoring and its answer back, also 60 MiB in pieces', async () => {
    const large = new Uint8Array(60 * 1024 * 1024).fill(7)
    const answer = await infer(large, { 'inference-header-content-length': '2' })
    expect(Buffer.compare(new Uint8Array(await answer.arrayBuffer()), large)).toBe(0)
    expect(answer.headers.get('content-length')).toBe(String(large.length))
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
  })

  test('SC-09: refuses a body over the limit with 413, announced or in chunks, and the connection lives on', async () => {
    const over = new Uint8Array(limits.jsonBodyBytes + 1)
    expect((await infer(over)).status).toBe(413)
    const stream = new Blob([over]).stream()
    const chunked = await fetch(`${listener.url}/v2/models/echo/infer`, {
      method: 'POST',
      body: stream,
      duplex: 'half',
    } as RequestInit)
    expect(chunked.status).toBe(413)
    expect((await infer('{}')).status).toBe(200)
    expect(bodies.map((body) => body.length)).toEqual([2])
  })

  test('HEAD is answered like GET, and nothing is printed', async () => {
    const printed = vi.spyOn(console, 'error')
    const head = (last: string) => `HEAD /v2/health/live HTTP/1.1\nHost: localhost\nConnection: ${last}\n\n`
    const answer = await sendText(listener.url, head('keep-alive') + head('close'))
    expect(answer.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
    expect(answer).not.toContain('{')
    expect(printed).not.toHaveBeenCalled()
    printed.mockRestore()
  })

  test('AP-01: no spelling of an address that is for callers with a token is answered to one without', async () => {
    await listener.close()
    const guarded = createApp({ scoring, exchange: openNodeExchange(), mostBodyBytes: 1024, isCaller: () => false })
    listener = await openListener(guarded, { host: '127.0.0.1', port: 0 })
    const model = '/v2/models/echo'
    const paths = ['/v2', '/v2/models', '/v2/models/stats', '/v2/repository/index', '/metrics', model].concat(
      ['/ready', '/stats', '/config', '/infer', '/score'].map((under) => `${model}${under}`),
    )
    const spelled = (path: string) => [
      ...[path, `/${path}`, `/x/..${path}`, `/.${path}`, `/%2e%2e${path}`, `${path}/`, `${path}?x`, `${path}%00`],
      ...[`http://127.0.0.1${path}`, path.toUpperCase(), path.replace('m', '%6d'), path.replaceAll('/', '%2F')],
    ]
    const asked = paths.flatMap(spelled).flatMap((path) => [`GET ${path}`, `POST ${path}`, `HEAD ${path}`])
    const statuses = asked.map(async (line) => {
      const answer = await sendText(listener.url, `${line} HTTP/1.1\nHost: localhost\nConnection: close\n\n`)
      return Number(answer.slice(9, 12))
    })
    expect([...new Set(await Promise.all(statuses))].sort()).toEqual([400, 401, 404, 405])
    expect(bodies).toEqual([])
  })

  test('AP-02: answers 421 or 400 to a Host that is foreign, missing, empty, malformed or there twice', async () => {
    const request = (host: string) =>
      sendText(listener.url, `GET /v2/health/live HTTP/1.1\n${host}Connection: close\n\n`)
    const statuses = []
    for (const host of [
      'Host: evil.example\n',
      '',
      'Host:\n',
      'Host: a/b?c#\n',
      'Host: localhost\nHost: evil.example\n',
      'Host: localhost:4401\n',
      'Host: 127.0.0.1\n',
      'Host: [::1]:1\n',
    ]) {
      statuses.push((await request(host)).slice(9, 12))
    }
    expect(statuses).toEqual(['421', '400', '421', '421', '421', '200', '200', '200'])
  })

  test.each(ambiguousRequests('/v2/models/echo/infer'))(
    'AP-03: %s is 400 and the end of its connection',
    async (_, text) => {
      const answer = await sendText(listener.url, text)
      expect(answer).toMatch(/^HTTP\/1\.1 400 /)
      expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
      expect(bodies).toEqual([])
    },
  )

  test('AP-05: a head of more than 16 KiB is 431', async () => {
    const head = `GET /v2/health/live HTTP/1.1\nHost: localhost\nx: ${'a'.repeat(17 * 1024)}\n\n`
    expect(await sendText(listener.url, head)).toMatch(/^HTTP\/1\.1 431 /)
    const lines = Array.from({ length: 3000 }, (_, i) => `x${i}: 1\n`).join('')
    expect(await sendText(listener.url, `GET /v2 HTTP/1.1\nHost: localhost\n${lines}\n`)).toMatch(/^HTTP\/1\.1 431 /)
  })

  test('AP-06: a head that drips is 408 after its time, while others are answered', async () => {
    const began = performance.now()
    const slow = Array.from({ length: 20 }, () => sendText(listener.url, 'GET /v2 HTTP/1.1\nHost: 127'))
    expect((await fetch(`${listener.url}/v2/health/live`)).status).toBe(200)
    for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    expect(performance.now() - began).toBeLessThan(limits.headersTimeoutMs + 5000)
  }, 30_000)

  test('SC-16, F-19: callers that do not read their answers lose them, and others are answered meanwhile', async () => {
    await listener.close()
    const exchange = openNodeExchange(undefined, 200)
    listener = await openListener(createApp({ scoring, exchange, mostBodyBytes: 1024 * 1024 * 1024 }), {
      host: '127.0.0.1',
      port: 0,
    })
    const large = Buffer.alloc(20 * 1024 * 1024)
    const head = `POST /v2/models/echo/infer HTTP/1.1\r\nHost: localhost\r\nInference-Header-Content-Length: 2\r\n`
    const cut = Array.from({ length: 5 }, () => {
      const socket = connect(Number(new URL(listener.url).port), '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(`${head}Content-Length: ${large.length}\r\n\r\n`)
      socket.write(large)
      const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(socket.bytesRead)))
      return { socket, closed }
    })
    await expect.poll(() => bodies.length, { timeout: 10_000 }).toBe(5)
    expect((await infer('{}')).status).toBe(200)
    await expect.poll(() => signals.filter((signal) => signal.aborted).length, { timeout: 10_000 }).toBe(5)
    for (const { socket } of cut) socket.resume()
    for (const { closed } of cut) expect(await closed).toBeLessThan(large.length)
  }, 20_000)

  test('a caller for whom a proxy speaks is not on this machine', async () => {
    const pick = async (headers: Record<string, string>) =>
      (await infer('{}', { 'selvedge-deployment': 'green', ...headers })).status
    expect(await pick({})).toBe(200)
    for (const name of ['forwarded', 'x-forwarded-for', 'x-real-ip'])
      expect(await pick({ [name]: '127.0.0.1' })).toBe(403)
  })

  test('TE-04: callers behind a trusted proxy are told apart by their networks, others by their own', async () => {
    const callers: (string | undefined)[] = []
    const asked: Scoring = {
      ...scoring,
      ask: (_type, { caller }) => {
        callers.push(caller)
        return Promise.resolve({ status: 200, headers: {}, body: new Uint8Array() })
      },
    }
    const ask = async (trusted: string, forwarded: string) => {
      const exchange = openNodeExchange(openNetworks(trusted))
      const own = await openListener(createApp({ scoring: asked, exchange, mostBodyBytes: 1024 }), {
        host: '127.0.0.1',
        port: 0,
      })
      const headers = { 'x-forwarded-for': forwarded }
      expect((await fetch(`${own.url}/v2/models/echo/infer`, { method: 'POST', body: '{}', headers })).status).toBe(200)
      await own.close()
    }
    await ask('127.0.0.1', '198.51.100.9, 192.0.2.1')
    await ask('', '192.0.2.1')
    expect(callers).toEqual(['192.0.2.1', '127.0.0.1'])
  })

  test('SC-14: the signal of a caller who hangs up aborts', async () => {
    const caller = new AbortController()
    const left = fetch(`${listener.url}/v2/models/echo/infer`, {
      method: 'POST',
      body: '{}',
      headers: { 'selvedge-unit': 'wait' },
      signal: caller.signal,
    })
    await expect.poll(() => signals.length).toBe(1)
    caller.abort()
    await expect(left).rejects.toThrow()
    await expect.poll(() => signals[0]?.aborted).toBe(true)
  })

  test('a client that leaves in the middle of its body does no harm', async () => {
    const socket = connect(Number(new URL(listener.url).port), '127.0.0.1')
    await new Promise<void>((resolve) =>
      socket.write('POST /v2/models/echo/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"a', () =>
        resolve(),
      ),
    )
    socket.destroy()
    expect((await infer('{}')).status).toBe(200)
    expect(bodies.map((body) => decoder.decode(body))).toEqual(['{}'])
  })

  test('close answers what runs and takes nothing new', async () => {
    const running = infer('{}', { 'selvedge-unit': 'wait' })
    await expect.poll(() => bodies.length).toBe(1)
    const closed = listener.close()
    await expect(infer('{}')).rejects.toThrow()
    answered.resolve()
    expect((await running).status).toBe(200)
    await closed
    listener = await openListener(
      createApp({ scoring, exchange: openNodeExchange(), mostBodyBytes: 64 * 1024 * 1024 }),
      {
        host: '127.0.0.1',
        port: 0,
      },
    )
  })

  test('a taken port is refused with the address', async () => {
    const port = Number(new URL(listener.url).port)
    const app = createApp({ scoring, exchange: openNodeExchange(), mostBodyBytes: 64 * 1024 * 1024 })
    await expect(openListener(app, { host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'REFUSED_TO_START',
      message: `cannot listen on 127.0.0.1:${port}: it is taken`,
    })
  })
})
