import { describe, expect, test } from 'vitest'
import { errorOf, openFront } from './fixture.ts'

describe('what path and headers of a request say', () => {
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
    const { asked, post } = openFront()
    await post('/v2/models/digits/infer', '{}', { 'accept-encoding': header })
    expect(asked[0]?.meta.accepts).toBe(wanted)
  })

  test('SC-14: a deadline comes with the request in milliseconds', async () => {
    const { asked, post } = openFront()
    await post('/v2/models/digits/infer', '{}', { 'selvedge-timeout': '250m' })
    expect(asked[0]?.meta.timeoutMs).toBe(250)
    for (const wrong of ['250', '0m', '-1m', '1.5m', '2S']) {
      expect(await errorOf(post('/v2/models/digits/infer', '{}', { 'selvedge-timeout': wrong }))).toEqual([
        400,
        'INVALID_REQUEST',
      ])
    }
  })

  test('a request goes on as bytes with the headers that scoring needs', async () => {
    const { asked, post } = openFront()
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

  test('a deployment is picked by callers on this machine alone', async () => {
    const { post } = openFront()
    const headers = { 'selvedge-deployment': 'green', 'x-from': 'afar' }
    expect(await errorOf(post('/v2/models/digits/infer', '{}', headers))).toEqual([403, 'FORBIDDEN'])
  })

  test.each([
    ['selvedge-unit', '\u00ff', 400, 'INVALID_REQUEST'],
    ['selvedge-unit', `${'u'.repeat(512)}!`, 400, 'INVALID_REQUEST'],
    ['inference-header-content-length', '-1', 400, 'INVALID_REQUEST'],
    ['inference-header-content-length', '1e3', 400, 'INVALID_REQUEST'],
    ['content-encoding', 'br', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['content-encoding', 'gzip, gzip', 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ])('header %s: %s is refused before the body is read', async (name, value, status, code) => {
    const { asked, post } = openFront()
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
    const { asked, post } = openFront()
    expect((await errorOf(post(path)))[0]).toBe(404)
    expect(asked).toEqual([])
  })
})
