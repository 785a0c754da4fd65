import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { limits } from '../../../runtime/limits.ts'
import type { Fixture } from '../fixture.ts'
import { openCounting, post, report, sums } from './reporting.ts'

describe('the body of a report', () => {
  test('TE-14 of one byte over the limit is 413 before it is parsed', async () => {
    await using fixture = await openCounting()
    const body = JSON.stringify(report())
    const most = body + ' '.repeat(limits.telemetryBytes - body.length)
    expect((await post(fixture, most)).status).toBe(200)
    expect(await (await post(fixture, `${most} `)).json()).toMatchObject({ status: 413, type: 'BODY_TOO_LARGE' })
    expect((await post(fixture, '['.repeat(limits.telemetryBytes + 1))).status).toBe(413)
  })

  test('TE-14 may come as gzip, as every answer says', async () => {
    await using fixture = await openCounting()
    const taken = await postGzip(fixture, gzipSync(JSON.stringify(report())))
    expect([taken.status, taken.headers.get('accept-encoding')]).toEqual([200, 'gzip'])
    expect(taken.headers.get('access-control-expose-headers')).toContain('accept-encoding')
    expect(await sums(fixture)).toMatchObject([{ rows: 3 }])
    const refused = await postGzip(fixture, gzipSync(JSON.stringify(report())), 'br')
    expect([refused.status, refused.headers.get('accept-encoding')]).toEqual([415, 'gzip'])
  })

  test('TE-14 as gzip of one byte over the limit is 413, and of what is no gzip 400', async () => {
    await using fixture = await openCounting()
    const body = JSON.stringify(report())
    const most = body + ' '.repeat(limits.telemetryBytes - body.length)
    expect((await postGzip(fixture, gzipSync(most))).status).toBe(200)
    expect(await (await postGzip(fixture, gzipSync(`${most} `))).json()).toMatchObject({
      status: 413,
      type: 'BODY_TOO_LARGE',
    })
    for (const broken of [Buffer.from(body), gzipSync(body).subarray(0, -4), gzipSync(body).fill(0, 20), Buffer.of()]) {
      const answer = await postGzip(fixture, broken)
      expect(await answer.json()).toMatchObject({ status: 400, type: 'INVALID_REQUEST' })
    }
  })

  test('TE-14 that is a gzip bomb is refused when it passes the limit, long before it is inflated', async () => {
    await using fixture = await openCounting()
    // A member of 48 MiB in 48 KiB, and behind it bytes that are no gzip: whoever came to them would answer 400.
    const bomb = Buffer.concat([gzipSync(Buffer.alloc(48 * 1024 * 1024)), Buffer.from('no gzip')])
    expect(bomb.length).toBeLessThan(limits.telemetryBytes)
    expect((await postGzip(fixture, bomb)).status).toBe(413)
  })

  test('is the only body that may be compressed', async () => {
    await using fixture = await openCounting()
    const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json' }
    const body = gzipSync('{}')
    const answer = await fixture.request('/api/v1/tokens', { method: 'POST', headers, body })
    expect([answer.status, answer.headers.get('accept-encoding')]).toEqual([415, null])
  })
})

async function postGzip(fixture: Fixture, body: Uint8Array<ArrayBuffer>, encoding = 'gzip'): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'content-encoding': encoding }
  return await fixture.request('/api/v1/telemetry', { method: 'POST', headers, body })
}
