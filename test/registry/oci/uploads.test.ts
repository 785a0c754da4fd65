import { appendFileSync, readdirSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import { limits } from '../../../runtime/limits.ts'
import { bytesOf, digestOf, type Fixture, openFixture } from '../fixture.ts'

const hello = bytesOf('hello, blob')
const wrong = bytesOf('other bytes')

async function start(fixture: Fixture, token?: string): Promise<string> {
  const answer = await fixture.request('/v2/a/blobs/uploads/', { method: 'POST', ...(token && { token }) })
  expect(answer.status).toBe(202)
  return answer.headers.get('location') ?? ''
}

async function patch(fixture: Fixture, location: string, bytes: Uint8Array<ArrayBuffer>, range?: string) {
  const headers: Record<string, string> = range === undefined ? {} : { 'content-range': range }
  return await fixture.request(location, { method: 'PATCH', body: bytes, headers })
}

async function finish(fixture: Fixture, location: string, digest: string, bytes?: Uint8Array<ArrayBuffer>) {
  return await fixture.request(`${location}?digest=${digest}`, { method: 'PUT', ...(bytes && { body: bytes }) })
}

async function rangeOf(fixture: Fixture, location: string): Promise<string> {
  const answer = await fixture.request(location)
  return `${answer.status} ${answer.headers.get('range')}`
}

async function codeOf(answer: Response): Promise<string> {
  const { errors } = (await answer.json()) as { errors: { code: string }[] }
  return `${answer.status} ${errors[0]?.code}`
}

/** Whatever lies under blobs/, but folders. */
function stored(fixture: Fixture): string[] {
  const entries = readdirSync(join(fixture.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

describe('an upload in chunks', () => {
  test('of any sizes, with restarts between them, gives the same bytes', async () => {
    const cuts = fc.array(fc.tuple(fc.nat(1 << 20), fc.boolean()), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(cuts, fc.boolean(), async (steps, lastInPut) => {
        await using fixture = await openFixture()
        const bytes = new Uint8Array(steps.reduce((sum, [size]) => sum + size, 7)).map((_, i) => (i * 17) % 241)
        const location = await start(fixture)
        let at = 0
        for (const [size, restart] of steps) {
          const part = bytes.slice(at, at + size)
          expect((await patch(fixture, location, part, size > 0 ? `${at}-${at + size - 1}` : undefined)).status).toBe(
            202,
          )
          at += size
          if (restart) await fixture.restart()
        }
        if (!lastInPut) await patch(fixture, location, bytes.slice(at))
        const put = await finish(fixture, location, digestOf(bytes), lastInPut ? bytes.slice(at) : undefined)
        expect(put.status).toBe(201)
        const got = await fixture.request(put.headers.get('location') ?? '')
        expect(digestOf(new Uint8Array(await got.arrayBuffer()))).toBe(digestOf(bytes))
        expect(stored(fixture)).toHaveLength(1)
      }),
      { numRuns: 10, seed: 5 },
    )
  })

  test('UP-05 refuses a gap, an overlap and a second chunk first with 416 and the range that it has', async () => {
    await using fixture = await openFixture()
    const location = await start(fixture)
    expect(await codeOf(await patch(fixture, location, hello.slice(5), '5-10'))).toBe('416 BLOB_UPLOAD_INVALID')
    const first = await patch(fixture, location, hello.slice(0, 5), '0-4')
    expect([first.status, first.headers.get('range'), first.headers.get('location')]).toEqual([202, '0-4', location])
    for (const range of ['0-4', '4-8', '6-10']) {
      const refused = await patch(fixture, location, hello.slice(0, 5), range)
      expect([refused.status, refused.headers.get('range'), refused.headers.get('location')]).toEqual([
        416,
        '0-4',
        location,
      ])
    }
    expect(await rangeOf(fixture, location)).toBe('204 0-4')
    const late = await fixture.request(`${location}?digest=${digestOf(hello)}`, {
      method: 'PUT',
      body: hello.slice(6),
      headers: { 'content-range': '6-10' },
    })
    expect(late.status).toBe(416)
    await patch(fixture, location, hello.slice(5), '5-10')
    expect((await finish(fixture, location, digestOf(hello))).status).toBe(201)
    expect(await (await fixture.request(`/v2/a/blobs/${digestOf(hello)}`)).text()).toBe('hello, blob')
  })

  test('UP-06 refuses a body that has another length than announced, and stays where it was', async () => {
    await using fixture = await openFixture()
    const location = await start(fixture)
    await patch(fixture, location, hello.slice(0, 2), '0-1')
    for (const range of ['2-101', '2-3', 'bytes 2-10', '2-', '4-3', '2-99999999999999999999']) {
      expect([range, await codeOf(await patch(fixture, location, hello.slice(2), range))]).toEqual([
        range,
        '400 SIZE_INVALID',
      ])
      expect(await rangeOf(fixture, location)).toBe('204 0-1')
    }
    const lengths = await fixture.request(location, {
      method: 'PATCH',
      body: hello.slice(2),
      headers: { 'content-range': '2-10', 'content-length': '8' },
    })
    expect(await codeOf(lengths)).toBe('400 SIZE_INVALID')
    await patch(fixture, location, hello.slice(2), '2-10')
    expect((await finish(fixture, location, digestOf(hello))).status).toBe(201)
  })

  test('UP-06 that breaks off before its announced length stays where it was; a stream without one keeps what came', async () => {
    await using fixture = await openFixture()
    const listener = await listen(fixture.registry, '127.0.0.1', 0)
    try {
      const location = await start(fixture)
      const announced = await start(fixture)
      await breakOff(fixture, listener.url, announced, `Content-Length: 11\r\n\r\nhello`)
      await vi.waitFor(async () => expect((await patch(fixture, announced, hello, '0-10')).status).toBe(202))
      await breakOff(fixture, listener.url, location, `Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`)
      await vi.waitFor(async () => expect(await rangeOf(fixture, location)).toBe('204 0-4'))
      await patch(fixture, location, hello.slice(5), '5-10')
      expect((await finish(fixture, location, digestOf(hello))).status).toBe(201)
    } finally {
      await listener.close(0)
    }
  })

  test('goes on after a part that a crash left half written', async () => {
    await using fixture = await openFixture()
    const location = await start(fixture)
    await patch(fixture, location, hello.slice(0, 5), '0-4')
    appendFileSync(join(fixture.dataDir, 'blobs', 'uploads', location.split('/').at(-1) ?? ''), 'half a part')
    await fixture.restart()
    expect(await rangeOf(fixture, location)).toBe('204 0-4')
    await patch(fixture, location, hello.slice(5), '5-10')
    expect((await finish(fixture, location, digestOf(hello))).status).toBe(201)
  })

  test('takes one request at a time, and says so to whoever asks how far it is', async () => {
    await using fixture = await openFixture()
    const location = await start(fixture)
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const first = fixture.request(location, { method: 'PATCH', body: readable, duplex: 'half' } as RequestInit)
    await writer.write(hello.slice(0, 5))
    expect(await codeOf(await patch(fixture, location, hello))).toBe('429 TOOMANYREQUESTS')
    expect(await codeOf(await finish(fixture, location, digestOf(hello), hello))).toBe('429 TOOMANYREQUESTS')
    expect((await fixture.request(location)).headers.get('retry-after')).toBe('1')
    await writer.close()
    expect((await first).headers.get('range')).toBe('0-4')
    expect((await fixture.request(location)).headers.get('retry-after')).toBeNull()
    expect((await patch(fixture, location, hello.slice(5))).status).toBe(202)
  })

  test('that is cancelled while a part comes in leaves nothing', async () => {
    await using fixture = await openFixture()
    const location = await start(fixture)
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const part = fixture.request(location, { method: 'PATCH', body: readable, duplex: 'half' } as RequestInit)
    await writer.write(hello)
    expect((await fixture.request(location, { method: 'DELETE' })).status).toBe(204)
    await writer.close()
    expect(await codeOf(await part)).toBe('404 BLOB_UPLOAD_UNKNOWN')
    expect(stored(fixture)).toEqual([])
  })

  test('UP-04 with wrong bytes is refused and keeps nothing: chunks, last chunk in PUT, stream', async () => {
    for (const way of ['chunks', 'last in PUT', 'stream']) {
      await using fixture = await openFixture()
      const location = await start(fixture)
      const digest = digestOf(hello)
      await patch(fixture, location, wrong.slice(0, 5), way === 'stream' ? undefined : '0-4')
      if (way !== 'last in PUT') await patch(fixture, location, wrong.slice(5))
      const put = await finish(fixture, location, digest, way === 'last in PUT' ? wrong.slice(5) : undefined)
      expect([way, await codeOf(put)]).toEqual([way, '400 DIGEST_INVALID'])
      for (const each of [digest, digestOf(wrong)]) {
        expect((await fixture.request(`/v2/a/blobs/${each}`)).status).toBe(404)
      }
      expect(await codeOf(await fixture.request(location))).toBe('404 BLOB_UPLOAD_UNKNOWN')
      expect(stored(fixture)).toEqual([])
    }
  })

  test('UP-11 of more requests than one upload may have is refused and keeps what it has', async () => {
    await using fixture = await openFixture()
    const location = await start(fixture)
    await patch(fixture, location, hello.slice(0, 5), '0-4')
    await fixture.registry.close()
    const database = new DatabaseSync(join(fixture.dataDir, 'registry.db'))
    database.prepare('UPDATE uploads SET parts = ?').run(limits.uploadParts - 1)
    database.close()
    await fixture.restart()
    expect((await patch(fixture, location, hello.slice(5, 6), '5-5')).status).toBe(202)
    expect(await codeOf(await patch(fixture, location, hello.slice(6), '6-10'))).toBe('413 SIZE_INVALID')
    expect(await rangeOf(fixture, location)).toBe('204 0-5')
  })
})

describe('UP-11 a body of a million pieces of one byte', () => {
  test('is refused at the piece after the last that is allowed, as a blob and as a manifest', async () => {
    await using fixture = await openFixture()
    for (const [method, path] of [
      ['POST', `/v2/a/blobs/uploads/?digest=${digestOf(hello)}`],
      ['PUT', '/v2/a/manifests/x'],
    ] as const) {
      let pulled = 0
      const body = new ReadableStream({
        pull(controller) {
          pulled++
          if (pulled > 1_000_000) controller.close()
          else controller.enqueue(Uint8Array.of(32))
        },
      })
      const answer = await fixture.request(path, { method, body, duplex: 'half' } as RequestInit)
      expect([path, await codeOf(answer)]).toEqual([path, '413 SIZE_INVALID'])
      expect(pulled).toBeLessThan(limits.uploadParts + 10)
    }
    expect(stored(fixture)).toEqual([])
  })
})

describe('UP-14 a body that drips', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  test('slower than 16 KiB/s over 30 s is 408, and one that is faster goes on', async () => {
    await using fixture = await openFixture()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
    for (const [bytesPerSecond, wanted] of [
      [1, '408 REQUEST_TIMEOUT'],
      [15 * 1024, '408 REQUEST_TIMEOUT'],
      [17 * 1024, '400 DIGEST_INVALID'],
    ] as const) {
      let seconds = 0
      const drip = async (controller: ReadableStreamDefaultController) => {
        if (seconds++ === 120) return controller.close()
        await vi.advanceTimersByTimeAsync(1000)
        controller.enqueue(new Uint8Array(bytesPerSecond))
      }
      const body = new ReadableStream({ pull: drip }, { highWaterMark: 0 })
      const path = `/v2/a/blobs/uploads/?digest=${digestOf(hello)}`
      const answer = await fixture.request(path, { method: 'POST', body, duplex: 'half' } as RequestInit)
      expect(await codeOf(answer)).toBe(wanted)
    }
  })
})

describe('UP-08 twenty clients that push one blob at once', () => {
  test('in every way all succeed and leave one copy', async () => {
    await using fixture = await openFixture()
    const bytes = new Uint8Array(3_000_000).map((_, i) => i % 199)
    const digest = digestOf(bytes)
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, client) => {
        if (client % 3 === 0) {
          const path = `/v2/a/blobs/uploads/?digest=${digest}`
          return await fixture.request(path, { method: 'POST', body: bytes })
        }
        const location = await start(fixture)
        if (client % 3 === 1) return await finish(fixture, location, digest, bytes)
        await patch(fixture, location, bytes.slice(0, 1_000_000), '0-999999')
        return await finish(fixture, location, digest, bytes.slice(1_000_000))
      }),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 201))
    expect(stored(fixture)).toHaveLength(1)
    const got = await fixture.request(`/v2/a/blobs/${digest}`)
    expect(digestOf(new Uint8Array(await got.arrayBuffer()))).toBe(digest)
  })
})

describe('UP-09 an upload of another token', () => {
  test('answers every method as one that does not exist, and is unchanged', async () => {
    await using fixture = await openFixture()
    const tokens: string[] = []
    for (const role of ['admin', 'writer', 'writer']) {
      const answer = await fixture.request('/api/v1/tokens', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ role }),
        ...(tokens[0] !== undefined && { token: tokens[0] }),
      })
      tokens.push(((await answer.json()) as { secret: string }).secret)
    }
    const [, one = '', two = ''] = tokens
    const location = await start(fixture, one)
    await fixture.request(location, { method: 'PATCH', body: hello, token: one })
    const unknown = '/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000'
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const ask = async (path: string) => {
        const init = method === 'GET' ? { method } : { method, body: wrong }
        const answer = await fixture.request(`${path}?digest=${digestOf(wrong)}`, { ...init, token: two })
        return [answer.status, await answer.text()]
      }
      expect(await ask(location)).toEqual(await ask(unknown))
    }
    const put = await fixture.request(`${location}?digest=${digestOf(hello)}`, { method: 'PUT', token: one })
    expect(put.status).toBe(201)
  })
})

describe('UP-13 ten thousand uploads that are opened and never finished', () => {
  test('are refused past 32, and within their life and one cycle the disk is what it was', async () => {
    let at = Date.parse('2026-11-24T10:00:00Z')
    await using fixture = await openFixture({ now: () => at })
    const statuses = new Map<number, number>()
    for (let opened = 0; opened < 10_000; opened++) {
      const answer = await fixture.request('/v2/a/blobs/uploads/', { method: 'POST' })
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      if (answer.status === 202) await patch(fixture, answer.headers.get('location') ?? '', hello)
    }
    expect(statuses).toEqual(
      new Map([
        [202, limits.openUploads],
        [429, 10_000 - limits.openUploads],
      ]),
    )
    expect(stored(fixture)).toHaveLength(limits.openUploads)
    at += limits.uploadSessionMs + 1
    await fixture.restart()
    expect(stored(fixture)).toEqual([])
  })
})

/** Sends the beginning of a PATCH and breaks the line off once the registry has what came. */
async function breakOff(fixture: Fixture, url: string, path: string, rest: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${hostname}\r\n${rest}`)
  const file = join(fixture.dataDir, 'blobs', 'uploads', path.split('/').at(-1) ?? '')
  await vi.waitFor(() => expect(statSync(file).size).toBe(5))
  socket.destroy()
}
