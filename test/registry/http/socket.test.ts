/** Answers that go straight to the socket are those that the app itself gives. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Listener, listen } from '../../../registry/listener.ts'
import { limits } from '../../../runtime/limits.ts'
import { digestOf, type Fixture, openServing, pushBlob } from '../fixture.ts'

let fixture: Fixture
let listener: Listener

beforeAll(async () => {
  fixture = await openServing()
  listener = await listen(fixture.registry, '127.0.0.1', 0)
})

afterAll(async () => {
  fixture.registry.drain()
  await listener.close(0)
  await fixture[Symbol.asyncDispose]()
})

/** Of the connection, not of what is answered. */
const ofConnection = ['connection', 'date', 'keep-alive', 'transfer-encoding']

async function told(answer: Response) {
  const headers = [...answer.headers].filter(([name]) => !ofConnection.includes(name))
  return { status: answer.status, headers, body: digestOf(new Uint8Array(await answer.arrayBuffer())) }
}

describe('over a socket and without one the same status, headers and bytes are answered', () => {
  test('to a read of a plan that did not change', async () => {
    const path = '/api/v1/endpoints/e/plan'
    const etag = (await fetch(`${listener.url}${path}`)).headers.get('etag') ?? ''
    const asked = { headers: { 'if-none-match': etag, host: new URL(listener.url).host } }
    // The plan names the address by which it was asked.
    const answer = await fixture.registry.app.request(`${listener.url}${path}`, asked)
    expect(await told(await fetch(`${listener.url}${path}`, asked))).toEqual(await told(answer))
    expect(answer.status).toBe(304)
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
  })

  test.each([
    ['whole', undefined],
    ['from the second chunk on', `bytes=${limits.chunkBytes + 3}-`],
    ['over the end of a chunk', `bytes=${limits.chunkBytes - 3}-${limits.chunkBytes + 3}`],
  ])('to a pull of a large blob: %s', async (_, range) => {
    const blob = new Uint8Array(2 * limits.chunkBytes + 100).map((_, i) => i % 251)
    await pushBlob(fixture, 'a', blob)
    const path = `/v2/a/blobs/${digestOf(blob)}`
    const asked = { headers: range === undefined ? {} : { range } }
    const answer = await told(await fixture.request(path, asked))
    expect(await told(await fetch(`${listener.url}${path}`, asked))).toEqual(answer)
    const [, from = '0', to = ''] = /bytes=(\d+)-(\d*)/.exec(range ?? '') ?? []
    const wanted = blob.subarray(Number(from), to === '' ? undefined : Number(to) + 1)
    expect(answer.body).toBe(digestOf(wanted))
  })
})

test('counts what goes straight to the socket by its status', async () => {
  const path = '/api/v1/endpoints/e/plan'
  const etag = (await fetch(`${listener.url}${path}`)).headers.get('etag') ?? ''
  await fetch(`${listener.url}${path}`, { headers: { 'if-none-match': etag } })
  const metrics = await (await fetch(`${listener.url}/metrics`)).text()
  expect(metrics).toMatch(/http_requests_total\{.*endpoint\/plan".*status="3xx"\} [1-9]/)
})
