/** Requests that no client of HTTP would send. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listener, listen } from '../../../registry/listener.ts'
import { limits } from '../../../runtime/limits.ts'
import { ambiguousRequests, sendText } from '../../fixtures/wire.ts'
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

const send = (text: string) => sendText(listener.url, text)

test('AP-06 a head that drips is 408 after its time, while others are answered', async () => {
  const began = performance.now()
  const slow = Array.from({ length: 20 }, () => send('GET /healthz HTTP/1.1\nHost: 127'))
  expect((await fetch(`${listener.url}/healthz`)).status).toBe(200)
  for (const answer of await Promise.all(slow)) expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  expect(performance.now() - began).toBeLessThan(limits.headersTimeoutMs + 5000)
}, 30_000)

describe('AP-03 a request whose length can be read in two ways is 400 and the end of its connection', () => {
  test.each(ambiguousRequests('/api/v1/tokens'))('%s', async (_, text) => {
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
