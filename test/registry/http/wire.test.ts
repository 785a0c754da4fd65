/** Requests that no client of HTTP would send. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listener, listen } from '../../../registry/listener.ts'
import { limits } from '../../../runtime/limits.ts'
import { type Fixture, openFixture } from '../fixture.ts'

let fixture: Fixture
let listener: Listener

beforeAll(async () => {
  fixture = await openFixture()
  listener = await listen(fixture.registry, '127.0.0.1', 0)
})

afterAll(async () => {
  fixture.registry.drain()
  await listener.close(0)
  await fixture[Symbol.asyncDispose]()
})

/** Everything that comes back until the server closes. */
async function send(text: string): Promise<string> {
  const { hostname, port } = new URL(listener.url)
  return await new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.write(text.replaceAll('\n', '\r\n')))
    socket.on('data', (data) => {
      answer += data
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

test('AP-06 a head that drips is 408 after its time, while others are answered', async () => {
  const began = performance.now()
  const slow = Array.from({ length: 20 }, () => send('GET /healthz HTTP/1.1\nHost: 127'))
  expect((await fetch(`${listener.url}/healthz`)).status).toBe(200)
  for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  expect(performance.now() - began).toBeLessThan(limits.headersTimeoutMs + 5000)
}, 30_000)

describe('AP-03 a request whose length can be read in two ways is 400 and the end of its connection', () => {
  const head = 'POST /api/v1/tokens HTTP/1.1\nHost: 127.0.0.1\nContent-Type: application/json\n'
  test.each([
    [
      'Content-Length and Transfer-Encoding',
      `${head}Content-Length: 4\nTransfer-Encoding: chunked\n\n0\n\nGET / HTTP/1.1\n\n`,
    ],
    ['two lengths', `${head}Content-Length: 2\nContent-Length: 3\n\n{}`],
    ['a blank before the name', `${head} Content-Length: 2\n\n{}`],
    ['a blank before the colon', `${head}Content-Length : 2\n\n{}`],
    ['an unknown coding', `${head}Transfer-Encoding: xchunked\n\n2\n{}\n0\n\n`],
    ['a negative length', `${head}Content-Length: -1\n\n{}`],
    ['a length of 10^20', `${head}Content-Length: 100000000000000000000\n\n{}`],
    ['a chunk size with text', `${head}Transfer-Encoding: chunked\n\n2x\n{}\n0\n\n`],
  ])('%s', async (_, text) => {
    const answer = await send(text)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
  })

  test('a bare line feed in the head', async () => {
    const { hostname, port } = new URL(listener.url)
    const answer = await new Promise<string>((resolve) => {
      let text = ''
      const socket = connect(Number(port), hostname, () =>
        socket.write('GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\nGET /healthz HTTP/1.1\r\n\r\n'),
      )
      socket.on('data', (data) => {
        text += data
      })
      socket.on('close', () => resolve(text))
    })
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  })
})
