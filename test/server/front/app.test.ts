import { timingSafeEqual } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import type { Description } from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { limits } from '../../../runtime/limits.ts'
import type { Answer } from '../../../runtime/scorer.ts'
import { type AppOptions, createApp } from '../../../server/front/app.ts'
import { openCallers } from '../../../server/front/callers.ts'
import { webExchange } from '../../../server/front/exchange.ts'
import { jsonAnswer } from '../../../server/http-answer.ts'
import type { EndpointState, RequestMeta, Scoring } from '../../../server/scoring.ts'
import { version } from '../../../server/version.ts'

const description: Description = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: ['N', 1, 28, 28] },
    { name: 'any', datatype: 'INT64' },
  ],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 10] }],
  variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu'] }],
}

const answeredBy: Answer = {
  deployment: 'blue',
  version: 3,
  variant: 'fp32',
  provider: 'cpu',
  why: 'it is the first',
  queueMs: 2,
  computeMs: 3,
  batch: { requests: 1, rows: 1, ownRows: 1, alone: 'idle' },
}

describe('the scoring plane over HTTP', () => {
  let asked: { type: string; meta: RequestMeta; body: string }[]
  let states: Record<string, EndpointState>
  let app: ReturnType<typeof createApp>
  let parts: AppOptions

  beforeEach(() => {
    asked = []
    states = {
      digits: {
        isReady: true,
        revision: 7,
        deployments: [
          { name: 'blue', version: 3, description },
          { name: 'green', version: 4, description },
        ],
      },
    }
    const scoring: Scoring = {
      get endpoints() {
        return Object.keys(states)
      },
      endpoint: (name) => (Object.hasOwn(states, name) ? states[name] : undefined),
      get isReady() {
        return Object.values(states).every((state) => state.isReady)
      },
      guard: 'none',
      scorerCount: 1,
      restarts: 2,
      memory: [{ process: 'scorer', pid: 7, bytes: 1000 }],
      waiting: () => 5,
      admit({ endpoint }) {
        if (endpoint === 'full') throw new SelvedgeError('QUEUE_FULL', '100 requests wait already')
      },
      async ask(type, meta, body) {
        asked.push({ type, meta, body: new TextDecoder().decode(body) })
        if (meta.unit === 'busy') throw new SelvedgeError('QUEUE_FULL', '100 requests wait already')
        if (meta.unit === 'aside') throw new SelvedgeError('NOT_READY', 'disabled', { retryAfterMs: 29_500 })
        return { ...jsonAnswer({ outputs: [] }), by: answeredBy }
      },
    }
    parts = {
      scoring,
      mostBodyBytes: 100 * 1024 * 1024,
      exchange: {
        ...webExchange,
        header: (c, name) => c.req.raw.headers.get(name) ?? undefined,
        isLocal: (c) => c.req.raw.headers.get('x-from') !== 'afar',
      },
    }
    app = createApp(parts)
  })

  /** An app that answers when it is told to. */
  function holding() {
    const answer = Promise.withResolvers<void>()
    const mostBodyBytes = 2000
    let held = 0
    const ask: Scoring['ask'] = async () => {
      held++
      await answer.promise
      return jsonAnswer({})
    }
    const slow = createApp({ ...parts, mostBodyBytes, scoring: { ...parts.scoring, ask } })
    const send = async (bytes: number) =>
      await slow.request('/v2/models/digits/infer', { method: 'POST', body: ' '.repeat(bytes) })
    return { mostBodyBytes, send, answer, held: () => held }
  }

  const post = (path: string, body = '{}', headers: Record<string, string> = {}) =>
    app.request(path, { method: 'POST', body, headers })
  const errorOf = async (response: Response | Promise<Response>) => {
    const answered = await response
    const { error, ...rest } = (await answered.json()) as { error: string }
    expect(rest).toEqual({})
    expect(error).toBeTypeOf('string')
    return [answered.status, answered.headers.get('selvedge-error')]
  }

  test('metadata gives -1 for every free dimension and the versions that are served', async () => {
    const response = await app.request('/v2/models/digits')
    expect(await response.json()).toEqual({
      name: 'digits',
      versions: ['3', '4'],
      platform: 'onnxruntime_onnx',
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [-1, 1, 28, 28] },
        { name: 'any', datatype: 'INT64', shape: [] },
      ],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 10] }],
    })
    expect((await app.request('/v2/models/digits/versions/4')).status).toBe(200)
    expect(await errorOf(app.request('/v2/models/digits/versions/5'))).toEqual([404, 'DEPLOYMENT_UNKNOWN'])
  })

  test('the server says its version, its extension and its guard', async () => {
    expect(version).toBe(packageJson.version)
    const extensions: unknown = expect.arrayContaining(['binary_tensor_data', 'statistics', 'classification'])
    const metadata = { name: 'selvedge', version, extensions, guard: 'none' }
    expect(await (await app.request('/v2')).json()).toEqual(metadata)
    expect(await (await app.request('/v2/models')).json()).toEqual({ models: ['digits'] })
  })

  test('the repository lists every version with its state, and leaves out on demand what is not ready', async () => {
    states.empty = { isReady: false, revision: undefined, deployments: [] }
    const digits = ['3', '4'].map((version) => ({ name: 'digits', version, state: 'READY', reason: '' }))
    const empty = { name: 'empty', state: 'UNAVAILABLE', reason: 'not loaded yet' }
    expect(await (await post('/v2/repository/index')).json()).toEqual([...digits, empty])
    expect(await (await app.request('/v2/repository/index')).json()).toEqual([...digits, empty])
    expect(await (await post('/v2/repository/index', '{"ready":true}')).json()).toEqual(digits)
    expect(await errorOf(post('/v2/repository/index', '{"ready":1}'))).toEqual([400, 'INVALID_REQUEST'])
  })

  test('the configuration is that of Triton: the batch axis is told apart', async () => {
    const [inputs, outputs] = [
      description.inputs.slice(0, 1),
      [{ name: 'y', datatype: 'FP32' as const, shape: ['N', 10] }],
    ]
    const batched = { ...description, inputs, outputs }
    states.batched = { isReady: true, revision: 1, deployments: [{ name: 'blue', version: 1, description: batched }] }
    expect(await (await app.request('/v2/models/batched/config')).json()).toEqual({
      name: 'batched',
      platform: 'onnxruntime_onnx',
      backend: 'onnxruntime',
      version_policy: { specific: { versions: [1] } },
      max_batch_size: limits.batchRows,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [1, 28, 28] }],
      output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [10] }],
      instance_group: [{ name: 'batched', kind: 'KIND_CPU', count: 1 }],
      dynamic_batching: { max_queue_delay_microseconds: 0 },
    })
    const resources = { scorers: 1, batchRows: 4, batchDelayMs: 2.5 }
    const fixed = { name: 'blue', version: 1, description: batched, resources }
    states.batched = { isReady: true, revision: 2, deployments: [fixed] }
    expect(await (await app.request('/v2/models/batched/config')).json()).toMatchObject({
      max_batch_size: 4,
      instance_group: [{ count: 1 }],
      dynamic_batching: { max_queue_delay_microseconds: 2500 },
    })
    expect(await (await app.request('/v2/models/digits/versions/4/config')).json()).toMatchObject({
      max_batch_size: 0,
      output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [-1, 10] }],
    })
    expect(await errorOf(app.request('/v2/models/digits/versions/5/config'))).toEqual([404, 'DEPLOYMENT_UNKNOWN'])
  })

  test('statistics count what was answered, of all models or of one version', async () => {
    await post('/v2/models/digits/infer')
    const stats = async (path: string) =>
      ((await (await app.request(path)).json()) as { model_stats: { inference_count: number }[] }).model_stats
    const [one, four] = await stats('/v2/models/digits/stats')
    expect(one).toMatchObject({ name: 'digits', version: '3', inference_count: 1, execution_count: 1 })
    expect(await stats('/v2/models/digits/versions/3/stats')).toEqual([one])
    expect(four).toMatchObject({ name: 'digits', version: '4', inference_count: 0, last_inference: 0 })
    expect(await stats('/v2/models/digits/versions/4/stats')).toEqual([four])
    expect(await stats('/v2/models/stats')).toEqual([one, four])
    expect(await errorOf(app.request('/v2/models/digits/versions/5/stats'))).toEqual([404, 'DEPLOYMENT_UNKNOWN'])
    expect(await errorOf(app.request('/v2/models/nothing/stats'))).toEqual([404, 'ENDPOINT_UNKNOWN'])
  })

  test("the texts for which Triton's clients look are there for those who ask, and for nobody else", async () => {
    const triton = { 'selvedge-compat': 'triton' }
    const asTriton = createApp({ ...parts, compat: 'triton' })
    const said = async (path: string, of = app, headers = {}) => await (await of.request(path, { headers })).json()
    const unknown = { error: "Request for unknown model: 'nothing' is not found" }
    expect(await said('/v2/models/nothing', app, triton)).toEqual(unknown)
    expect(await said('/v2/models/nothing', asTriton)).toEqual(unknown)
    expect(await said('/v2/models/nothing')).toEqual({ error: 'no endpoint "nothing" is served here' })
    expect(await said('/v2', app, triton)).toMatchObject({ name: 'triton' })
    expect(await said('/v2', asTriton)).toMatchObject({ name: 'triton' })
    expect(await errorOf(app.request('/v2', { headers: { 'selvedge-compat': 'kserve' } }))).toEqual([
      400,
      'INVALID_REQUEST',
    ])
  })

  test.each([
    ['gzip', 'gzip'],
    ['gzip, deflate, br', 'gzip'],
    ['deflate;q=0.9, gzip;q=0.1', 'deflate'],
    ['gzip;q=0, deflate', 'deflate'],
    ['*', 'gzip'],
    ['br', undefined],
    ['identity, gzip;q=0', undefined],
    ['identity, gzip;q=0.5', undefined],
    ['gzip;q=0, *', 'deflate'],
    ['GZIP ; q=0.001', 'gzip'],
    ['*;q=0', undefined],
  ])('accept-encoding %j asks for %s', async (header, wanted) => {
    await post('/v2/models/digits/infer', '{}', { 'accept-encoding': header })
    expect(asked[0]?.meta.accepts).toBe(wanted)
  })

  test('SC-14: a deadline comes with the request in milliseconds', async () => {
    await post('/v2/models/digits/infer', '{}', { 'selvedge-timeout': '250m' })
    expect(asked[0]?.meta.timeoutMs).toBe(250)
    for (const wrong of ['250', '0m', '-1m', '1.5m', '2S']) {
      expect(await errorOf(post('/v2/models/digits/infer', '{}', { 'selvedge-timeout': wrong }))).toEqual([
        400,
        'INVALID_REQUEST',
      ])
    }
  })

  test('it is live at once and ready when every endpoint is', async () => {
    const statuses = async () =>
      Promise.all(
        ['/v2/health/live', '/healthz', '/v2/health/ready', '/readyz', '/v2/models/digits/ready'].map(
          async (path) => (await app.request(path)).status,
        ),
      )
    expect(await statuses()).toEqual([200, 200, 200, 200, 200])
    states.digits = { isReady: false, revision: undefined, deployments: [] }
    expect(await statuses()).toEqual([200, 200, 503, 503, 503])
    expect(await errorOf(app.request('/v2/models/digits'))).toEqual([503, 'NOT_READY'])
  })

  test('a request goes on as bytes with the headers that scoring needs', async () => {
    const headers = {
      'selvedge-unit': 'Zo\u00c3\u00ab', // UTF-8 as a header carries it
      'selvedge-deployment': 'green',
      'inference-header-content-length': '2',
      'content-encoding': 'gzip',
    }
    expect((await post('/v2/models/digits/versions/3/infer', '{}abc', headers)).status).toBe(200)
    const meta = { endpoint: 'digits', version: 3, unit: 'Zoë', deployment: 'green', headerLength: 2, encoding: 'gzip' }
    expect(asked).toEqual([{ type: 'infer', meta, body: '{}abc' }])
  })

  test('every answer can be read by a page of any origin, refusals too', async () => {
    for (const response of [await post('/v2/models/digits/score'), await app.request('/nothing')]) {
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(response.headers.get('access-control-expose-headers')).toContain('selvedge-version')
    }
    const preflight = await app.request('/v2/models/digits/infer', { method: 'OPTIONS' })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('selvedge-unit')
  })

  test('what says "again later" says when', async () => {
    const busy = await post('/v2/models/digits/infer', '{}', { 'selvedge-unit': 'busy' })
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '1'])
    const aside = await post('/v2/models/digits/infer', '{}', { 'selvedge-unit': 'aside' })
    expect([aside.status, aside.headers.get('retry-after')]).toEqual([503, '30'])
  })

  test('a deployment is picked by callers on this machine alone', async () => {
    const headers = { 'selvedge-deployment': 'green', 'x-from': 'afar' }
    expect(await errorOf(post('/v2/models/digits/infer', '{}', headers))).toEqual([403, 'FORBIDDEN'])
  })

  test('a JSON body of 4 MiB goes through, one byte more is refused with 413, and binary bodies may be larger', async () => {
    const body = (bytes: number) => ' '.repeat(bytes)
    expect((await post('/v2/models/digits/infer', body(limits.jsonBodyBytes))).status).toBe(200)
    expect(await errorOf(post('/v2/models/digits/infer', body(limits.jsonBodyBytes + 1)))).toEqual([
      413,
      'BODY_TOO_LARGE',
    ])
    const binary = { 'inference-header-content-length': '2' }
    expect((await post('/v2/models/digits/infer', body(limits.jsonBodyBytes + 1), binary)).status).toBe(200)
    expect(await errorOf(post('/v2/models/digits/score', body(limits.jsonBodyBytes + 1), binary))).toEqual([
      413,
      'BODY_TOO_LARGE',
    ])
  })

  test.each([
    ['selvedge-unit', '\u00ff', 400, 'INVALID_REQUEST'],
    ['selvedge-unit', `${'u'.repeat(512)}!`, 400, 'INVALID_REQUEST'],
    ['inference-header-content-length', '-1', 400, 'INVALID_REQUEST'],
    ['inference-header-content-length', '1e3', 400, 'INVALID_REQUEST'],
    ['content-encoding', 'br', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['content-encoding', 'gzip, gzip', 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ])('header %s: %s is refused before the body is read', async (name, value, status, code) => {
    expect(await errorOf(post('/v2/models/digits/infer', '{}', { [name]: value }))).toEqual([status, code])
    expect(asked).toEqual([])
  })

  test.each([
    '/v2/models/other/infer',
    '/v2/models/..%2fdigits/infer',
    '/v2/models/%2e%2e/infer',
    '/v2/models/__proto__/infer',
    '/v2/models/digits/versions/-1/infer',
    '/v2/models/digits/versions/latest/infer',
    `/v2/models/digits/versions/${'9'.repeat(40)}/infer`,
    '/v2/models/digits/versions/0/infer',
    '/v2/models/digits/versions/%252e%252e/infer',
  ])('SC-18: POST %s is 404', async (path) => {
    expect((await errorOf(post(path)))[0]).toBe(404)
    expect(asked).toEqual([])
  })

  test('what would be refused is refused before its body is read', async () => {
    states.full = { isReady: true, revision: 1, deployments: [] }
    let read = 0
    const body = new ReadableStream(
      {
        pull(controller) {
          read++
          controller.enqueue(new Uint8Array(1024))
        },
      },
      { highWaterMark: 0 },
    )
    const request = new Request('http://localhost/v2/models/full/infer', { method: 'POST', body, duplex: 'half' })
    expect(await errorOf(app.request(request))).toEqual([503, 'QUEUE_FULL'])
    expect([read, asked]).toEqual([0, []])
  })

  test('bodies over what may be held at once are refused with QUEUE_FULL, and give back what they took', async () => {
    const { mostBodyBytes, send, answer, held } = holding()
    const half = mostBodyBytes / 2
    const [first, second] = [send(half), send(half)]
    await expect.poll(held).toBe(2)
    expect(await errorOf(send(1))).toEqual([503, 'QUEUE_FULL'])
    answer.resolve()
    expect([(await first).status, (await second).status, (await send(half)).status]).toEqual([200, 200, 200])
  })

  test('with tokens, callers are answered for one of them, and health for none', async () => {
    const guarded = createApp({ ...parts, isCaller: openCallers(['first', 'second'], timingSafeEqual) })
    const status = async (path: string, authorization?: string) => {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
      return (await guarded.request(path, { headers })).status
    }
    const get = (authorization?: string) => status('/v2/models/digits', authorization)
    expect([await get('Bearer first'), await get('bearer second')]).toEqual([200, 200])
    for (const wrong of [undefined, 'Bearer', 'Bearer firs', 'Bearer first2', 'Basic Zmlyc3Q=', 'first']) {
      expect(await get(wrong)).toBe(401)
    }
    for (const path of ['/healthz', '/readyz', '/v2/health/live', '/v2/health/ready']) {
      expect(await status(path)).toBe(200)
    }
    for (const path of ['/v2', '/v2/models', '/metrics']) expect(await status(path)).toBe(401)
    const refused = await guarded.request('/v2/models/digits/infer', { method: 'POST', body: '{}' })
    expect([refused.status, refused.headers.get('www-authenticate'), asked]).toEqual([401, 'Bearer', []])
    expect((await guarded.request('/v2/models/digits/infer', { method: 'OPTIONS' })).status).toBe(204)
  })

  test('metrics count answers by class of status and tell what waits', async () => {
    await post('/v2/models/digits/infer')
    await post('/v2/models/digits/infer')
    await post('/v2/models/digits/score', '{}', { 'selvedge-unit': 'busy' })
    await post('/v2/models/nothing/score')
    const response = await app.request('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const text = await response.text()
    const who = 'endpoint="digits",deployment="blue",version="3",provider="cpu"'
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines.filter((line) => !line.includes('_bucket') && !line.includes('request_seconds'))).toEqual([
      'selvedge_scoring_requests_total{endpoint="digits",status="2xx"} 2',
      'selvedge_scoring_requests_total{endpoint="digits",status="5xx"} 1',
      'selvedge_scoring_errors_total{endpoint="digits",code="QUEUE_FULL"} 1',
      `selvedge_scoring_queue_seconds_sum{${who}} 0.004`,
      `selvedge_scoring_queue_seconds_count{${who}} 2`,
      `selvedge_scoring_compute_seconds_sum{${who}} 0.006`,
      `selvedge_scoring_compute_seconds_count{${who}} 2`,
      'selvedge_scoring_batch_requests_sum{endpoint="digits",deployment="blue"} 2',
      'selvedge_scoring_batch_requests_count{endpoint="digits",deployment="blue"} 2',
      'selvedge_scoring_unbatched_total{endpoint="digits",reason="idle"} 2',
      'selvedge_scoring_waiting_requests{endpoint="digits"} 5',
      'selvedge_scoring_body_bytes 0',
      'selvedge_scoring_endpoint_ready{endpoint="digits"} 1',
      'selvedge_scoring_ready 1',
      'selvedge_scoring_scorer_restarts_total 2',
      'selvedge_scoring_resident_bytes{process="scorer",pid="7"} 1000',
    ])
    expect(lines).toContain(`selvedge_scoring_compute_seconds_bucket{${who},le="0.002"} 0`)
    expect(lines).toContain(`selvedge_scoring_compute_seconds_bucket{${who},le="0.004"} 2`)
    expect(lines).toContain(`selvedge_scoring_request_seconds_bucket{${who},le="+Inf"} 2`)
    expect(text).toContain('# TYPE selvedge_scoring_requests_total counter\n')
  })

  test.each(['/api/v1/models', '/metrics/admin', '/v2/digits/manifests/1', '/console', '/v2/digits/blobs/uploads/'])(
    'SC-19: %s of the registry is not on this listener',
    async (path) => {
      expect(await errorOf(app.request(path))).toEqual([404, 'NOT_FOUND'])
    },
  )

  test('another method is 405 with the methods that there are', async () => {
    const get = await app.request('/v2/models/digits/infer')
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    const deleted = await app.request('/v2/models/digits', { method: 'DELETE' })
    expect([deleted.status, deleted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})
