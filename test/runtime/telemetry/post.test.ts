import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TelemetryReport } from '../../../runtime/contract/telemetry.ts'
import { openPost, type PostReport } from '../../../runtime/telemetry/post.ts'
import { serve } from '../../fixtures/http.ts'

const report: TelemetryReport = {
  sender: 'AAECAwQFBgcICQoLDA0ODw',
  seq: 1,
  window: '2026-11-24T10:00:00.000Z',
  endpoint: 'digits',
  revision: 1,
  profiles: [],
  exposures: [],
  outcomes: [],
}

describe('sending a report', () => {
  let server: Awaited<ReturnType<typeof serve>>
  let status: number
  let takes: string
  let received: { authorization?: string | undefined; encoding?: string | undefined; body: unknown }[]
  let postReport: PostReport

  beforeEach(async () => {
    status = 200
    takes = 'gzip'
    postReport = openPost('page_1')
    received = []
    server = await serve(async (request, response) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part)
      const encoding = request.headers['content-encoding']
      const whole = Buffer.concat(parts)
      const body = JSON.parse((encoding === 'gzip' ? gunzipSync(whole) : whole).toString())
      received.push({ authorization: request.headers.authorization, encoding, body })
      response.writeHead(status, { 'accept-encoding': takes }).end('{}')
    })
  })
  afterEach(() => server.close())

  test('sends it as JSON with the token', async () => {
    await postReport(server.url, report)
    expect(received).toEqual([{ authorization: 'Bearer page_1', encoding: undefined, body: report }])
  })

  test('compresses it once an answer said that gzip is taken, but never where the host is about to end', async () => {
    await postReport(server.url, report)
    await postReport(server.url, report)
    await postReport(server.url, report, true)
    await postReport(server.url, report)
    expect(received.map(({ encoding }) => encoding)).toEqual([undefined, 'gzip', undefined, 'gzip'])
    expect(received.map(({ body }) => body)).toEqual([report, report, report, report])
  })

  test('F-34: sends it as it is to a registry that takes no encodings, also to one that took them before', async () => {
    await postReport(server.url, report)
    takes = ''
    status = 415
    await expect(postReport(server.url, report)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
    status = 200
    await postReport(server.url, report)
    await postReport(server.url, report)
    expect(received.map(({ encoding }) => encoding)).toEqual([undefined, 'gzip', undefined, undefined])
  })

  test.each([400, 413, 422])('%d: the registry will never take it', async (answered) => {
    status = answered
    await expect(postReport(server.url, report)).rejects.toMatchObject({ code: 'TELEMETRY_REFUSED' })
  })

  test.each([401, 403, 404, 429, 500, 503])('%d: the registry does not take it now', async (answered) => {
    status = answered
    await expect(postReport(server.url, report)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  })

  test('no answer: the registry does not take it now', async () => {
    await server.close()
    await expect(postReport(server.url, report)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  })
})
