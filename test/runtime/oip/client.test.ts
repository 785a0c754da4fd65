import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type OipClient, openOipClient } from '../../../runtime/oip/client.ts'
import { decodeInferRequest, encodeInferResponse } from '../../../runtime/oip/infer.ts'
import { createTensor, type Tensors } from '../../../runtime/tensor/tensor.ts'

interface Asked {
  method: string | undefined
  url: string | undefined
  headers: IncomingMessage['headers']
  body: Buffer
  at: number
}

type Handler = (response: ServerResponse, asked: Asked) => void

const inputs: Tensors = {
  x: createTensor('FP32', [2, 2], Float32Array.of(1, 2, 3, Number.NaN)),
  n: createTensor('INT64', [1], BigInt64Array.of(2n ** 62n + 1n)),
}

let server: Server
let url: string
let asked: Asked[]
/** What the next requests are answered with, in order; the last one for all that follow. */
let handlers: Handler[]
let client: OipClient

beforeEach(async () => {
  asked = []
  handlers = [echo]
  server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const { method, headers } = request
      const one = { method, url: request.url, headers, body: Buffer.concat(parts), at: performance.now() }
      asked.push(one)
      const handler = handlers.length > 1 ? handlers.shift() : handlers[0]
      handler?.(response, one)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  client = openOipClient(url)
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** Answers with the inputs. */
const echo: Handler = (response, { headers, body }) => {
  const request = decodeInferRequest(body, lengthOf(headers), () => [])
  const answer = encodeInferResponse({ model: 'm', version: 3, outputs: request.inputs, request })
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': String(answer.headerLength),
    'selvedge-deployment': 'blue',
    'selvedge-provider': 'cpu',
  })
  response.end(answer.body)
}

const refuse =
  (status: number, headers: Record<string, string> = {}, error = 'refused'): Handler =>
  (response) =>
    response.writeHead(status, headers).end(JSON.stringify({ error }))

const busy = refuse(503, { 'retry-after': '0', 'selvedge-error': 'QUEUE_FULL' }, 'busy')
const reset: Handler = (response) => void response.socket?.resetAndDestroy()
const hang: Handler = () => undefined

describe('an OipClient', () => {
  test('moves tensors in binary form, both ways', async () => {
    const answer = await client.infer('m', inputs)
    expect(answer).toEqual({ model: 'm', version: '3', deployment: 'blue', provider: 'cpu', outputs: inputs })
    const [request] = asked
    expect([request?.method, request?.url]).toEqual(['POST', '/v2/models/m/infer'])
    const header = request?.body.subarray(0, lengthOf(request.headers))
    expect(JSON.parse(header?.toString() ?? '').inputs).toEqual([
      { name: 'x', datatype: 'FP32', shape: [2, 2], parameters: { binary_data_size: 16 } },
      { name: 'n', datatype: 'INT64', shape: [1], parameters: { binary_data_size: 8 } },
    ])
  })

  test('names outputs, version, unit and token where it is told to', async () => {
    const named = openOipClient(`${url}/behind/`, { token: 'secret' })
    await named.infer('a/b', inputs, { outputs: ['n'], version: 2, unit: 'Zoë' })
    const [request] = asked
    expect(request?.url).toBe('/behind/v2/models/a%2Fb/versions/2/infer')
    expect(request?.headers.authorization).toBe('Bearer secret')
    expect(Buffer.from(request?.headers['selvedge-unit'] as string, 'latin1').toString()).toBe('Zoë')
    const header = request?.body.subarray(0, lengthOf(request.headers)).toString()
    expect(JSON.parse(header ?? '').outputs).toEqual([{ name: 'n' }])
  })

  test('scores records', async () => {
    const predictions = [{ class: 'yes', scores: { yes: 0.75, no: 0.25 } }, { value: 2 }]
    handlers = [respond({ model_name: 'm', model_version: '1', predictions })]
    const answer = await client.score('m', [{ a: 1 }, { a: 2 }])
    expect(answer).toMatchObject({ model: 'm', version: '1', deployment: undefined, predictions })
    expect(JSON.parse(asked[0]?.body.toString() ?? '')).toEqual({ records: [{ a: 1 }, { a: 2 }] })
  })

  test('reads metadata, also of servers that say more or less than ours', async () => {
    const tensor = { name: 'x', datatype: 'FP32', shape: [-1, 4] }
    const said = { name: 'm', platform: 'onnxruntime_onnx', inputs: [tensor], outputs: [tensor] }
    handlers = [respond({ ...said, versions: ['1'], more: true })]
    expect(await client.metadata('m')).toEqual({ ...said, versions: ['1'] })
    expect([asked[0]?.method, asked[0]?.url]).toEqual(['GET', '/v2/models/m'])
  })

  test('asks once whether a server or a model is ready', async () => {
    handlers = [respond({ ready: true }), refuse(503, { 'retry-after': '0' }), refuse(400), refuse(404)]
    expect([await client.ready(), await client.ready('m'), await client.ready('m', { version: 2 })]).toEqual([
      true,
      false,
      false,
    ])
    await expect(client.ready('n')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(asked.map((each) => each.url)).toEqual([
      '/v2/health/ready',
      '/v2/models/m/ready',
      '/v2/models/m/versions/2/ready',
      '/v2/models/n/ready',
    ])
  })

  test.each([
    ['ftp://localhost', {}],
    ['localhost:4401', {}],
    ['', {}],
    ['http://localhost', { token: 'a\nb' }],
  ])('refuses to be opened on %j with %j', (base, options) => {
    expect(() => openOipClient(base, options)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }))
  })

  test.each([
    ['no JSON', (response: ServerResponse) => void response.end('<html>')],
    ['another form', respond({ outputs: 1 })],
  ])('an answer that is %s is the server’s fault', async (_, handler) => {
    handlers = [handler]
    await expect(client.infer('m', inputs)).rejects.toMatchObject({ code: 'SCORING_UNREACHABLE' })
    expect(asked).toHaveLength(1)
  })
})

describe('a refusal', () => {
  test('has the server’s own code and message', async () => {
    handlers = [refuse(400, { 'selvedge-error': 'SHAPE_MISMATCH' }, 'input "x": got [1], want [2]')]
    await expect(client.infer('m', inputs)).rejects.toMatchObject({
      code: 'SHAPE_MISMATCH',
      message: 'input "x": got [1], want [2]',
    })
  })

  test.each([
    [400, 'INVALID_REQUEST'],
    [401, 'UNAUTHENTICATED'],
    [404, 'NOT_FOUND'],
    [418, 'INTERNAL'],
    [503, 'NOT_READY'],
  ])('of status %i has code %s where the server sends none, or one that is unknown', async (status, code) => {
    for (const headers of [{}, { 'selvedge-error': 'toString' }]) {
      handlers = [(response) => response.writeHead(status, headers).end('<html>')]
      const message = `the server answered with status ${status}`
      await expect(client.infer('m', inputs)).rejects.toMatchObject({ code, message })
    }
  })

  test.each([400, 401, 404, 413, 422, 429, 500, 502, 503, 504])('of status %i is final', async (status) => {
    // A 503 is tried again where it says when to.
    handlers = [refuse(status, status === 503 ? {} : { 'retry-after': '0' })]
    await expect(client.infer('m', inputs)).rejects.toThrow()
    expect(asked).toHaveLength(1)
  })
})

describe('a request is sent again', () => {
  test('where a 503 says when to, with the same bytes', async () => {
    handlers = [busy, busy, echo]
    expect((await client.infer('m', inputs)).outputs).toEqual(inputs)
    expect(asked).toHaveLength(3)
    expect(asked[2]?.body).toEqual(asked[0]?.body)
  })

  test('not before Retry-After is over', async () => {
    handlers = [refuse(503, { 'retry-after': '1' }), echo]
    await client.infer('m', inputs)
    expect((asked[1]?.at ?? 0) - (asked[0]?.at ?? 0)).toBeGreaterThanOrEqual(1000)
  })

  test('where Retry-After is a date', async () => {
    handlers = [refuse(503, { 'retry-after': new Date(0).toUTCString() }), echo]
    await client.infer('m', inputs)
    expect(asked).toHaveLength(2)
  })

  test('where the connection is reset before an answer', async () => {
    handlers = [reset, reset, echo]
    expect((await client.infer('m', inputs)).outputs).toEqual(inputs)
    expect(asked).toHaveLength(3)
  })

  test('at most three times', async () => {
    handlers = [busy]
    await expect(client.infer('m', inputs)).rejects.toMatchObject({ code: 'QUEUE_FULL', message: 'busy' })
    expect(asked).toHaveLength(4)
    handlers = [reset]
    await expect(client.infer('m', inputs)).rejects.toMatchObject({ code: 'SCORING_UNREACHABLE' })
    expect(asked).toHaveLength(8)
  })

  test('not where its answer broke off', async () => {
    handlers = [
      (response) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('{')
        setImmediate(() => response.destroy())
      },
    ]
    await expect(client.infer('m', inputs)).rejects.toMatchObject({ code: 'SCORING_UNREACHABLE' })
    expect(asked).toHaveLength(1)
  })

  test('one in ten beside ten saved ones, so that a server in trouble gets no load of retries', async () => {
    handlers = [busy]
    const calls = 60
    for (let i = 0; i < calls; i++) {
      await expect(client.infer('m', inputs)).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    }
    expect(asked.length - calls).toBeLessThanOrEqual(10 + calls / 10)
    expect(asked.length - calls).toBeGreaterThanOrEqual(10)
  })
})

describe('a deadline', () => {
  test('ends a request that is not answered', async () => {
    handlers = [hang]
    await expect(client.infer('m', inputs, { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: `no answer from ${url}/v2/models/m/infer within 50 ms`,
    })
    expect(asked).toHaveLength(1)
  })

  test('ends one whose answer does not come to its end', async () => {
    handlers = [(response) => void response.writeHead(200, { 'content-length': '100' }).write('{')]
    await expect(client.infer('m', inputs, { deadlineMs: 100 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })

  test('is over all tries, and the server is told what is left of it', async () => {
    handlers = [busy, hang]
    await expect(client.infer('m', inputs, { deadlineMs: 300 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    const [first, second] = asked.map(({ headers }) =>
      Number(/^(\d+)m$/.exec(headers['selvedge-timeout'] as string)?.[1]),
    )
    expect(first).toBeLessThanOrEqual(300)
    expect(second).toBeLessThan(first ?? 0)
  })

  test('that ends before the next try is allowed is not waited for', async () => {
    handlers = [refuse(503, { 'retry-after': '60' })]
    const refused = client.infer('m', inputs, { deadlineMs: 30_000 })
    await expect(refused).rejects.toMatchObject({ code: 'NOT_READY', detail: { retryAfterMs: 60_000 } })
    expect(asked).toHaveLength(1)
  })

  test('of the client stands for calls that name none', async () => {
    handlers = [hang]
    const hasty = openOipClient(url, { deadlineMs: 50 })
    await expect(hasty.metadata('m')).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })
})

describe('a signal', () => {
  test('ends a request with its reason', async () => {
    handlers = [hang]
    const leaving = new AbortController()
    const left = client.infer('m', inputs, { signal: leaving.signal })
    await expect.poll(() => asked.length).toBe(1)
    leaving.abort(new Error('the user left'))
    await expect(left).rejects.toThrow('the user left')
  })

  test('ends the wait for the next try', async () => {
    handlers = [refuse(503, { 'retry-after': '10' })]
    const leaving = new AbortController()
    const left = client.infer('m', inputs, { signal: leaving.signal })
    await expect.poll(() => asked.length).toBe(1)
    leaving.abort(new Error('the user left'))
    await expect(left).rejects.toThrow('the user left')
    expect(asked).toHaveLength(1)
  })
})

function respond(value: unknown): Handler {
  return (response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

function lengthOf(headers: IncomingMessage['headers']): number {
  return Number(headers['inference-header-content-length'])
}
