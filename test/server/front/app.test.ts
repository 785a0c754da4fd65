import { timingSafeEqual } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../runtime/limits.ts'
import { createApp } from '../../../server/front/app.ts'
import { openCallers } from '../../../server/front/callers.ts'
import { errorOf, openFront } from './fixture.ts'

describe('the scoring plane over HTTP', () => {
  test('every answer can be read by a page of any origin, refusals too', async () => {
    const { app, post } = openFront()
    for (const response of [await post('/v2/models/digits/score'), await app.request('/nothing')]) {
      expect(response.headers.get('access-control-allow-origin')).toBe('*')
      expect(response.headers.get('access-control-expose-headers')).toContain('selvedge-version')
    }
    const preflight = await app.request('/v2/models/digits/infer', { method: 'OPTIONS' })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toContain('selvedge-unit')
  })

  test('what says "again later" says when', async () => {
    const { post } = openFront()
    const busy = await post('/v2/models/digits/infer', '{}', { 'selvedge-unit': 'busy' })
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([503, '1'])
    const aside = await post('/v2/models/digits/infer', '{}', { 'selvedge-unit': 'aside' })
    expect([aside.status, aside.headers.get('retry-after')]).toEqual([503, '30'])
  })

  test('a JSON body of 4 MiB goes through, one byte more is refused with 413, and binary bodies may be larger', async () => {
    const { post } = openFront()
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

  test('what would be refused is refused before its body is read', async () => {
    const { app, asked, states } = openFront()
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
    const { holding } = openFront()
    const { mostBodyBytes, send, answer, held } = holding()
    const half = mostBodyBytes / 2
    const [first, second] = [send(half), send(half)]
    await expect.poll(held).toBe(2)
    expect(await errorOf(send(1))).toEqual([503, 'QUEUE_FULL'])
    answer.resolve()
    expect([(await first).status, (await second).status, (await send(half)).status]).toEqual([200, 200, 200])
  })

  test('with tokens, callers are answered for one of them, and health for none', async () => {
    const { parts, asked } = openFront()
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

  test.each(['/api/v1/models', '/metrics/admin', '/v2/digits/manifests/1', '/console', '/v2/digits/blobs/uploads/'])(
    'SC-19: %s of the registry is not on this listener',
    async (path) => {
      const { app } = openFront()
      expect(await errorOf(app.request(path))).toEqual([404, 'NOT_FOUND'])
    },
  )

  test('another method is 405 with the methods that there are', async () => {
    const { app } = openFront()
    const get = await app.request('/v2/models/digits/infer')
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    const deleted = await app.request('/v2/models/digits', { method: 'DELETE' })
    expect([deleted.status, deleted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})
