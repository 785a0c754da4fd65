import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { TelemetryReport } from '../../runtime/contract/telemetry.ts'
import { postReport } from '../../runtime/telemetry-post.ts'
import { serve } from '../fixtures/http.ts'

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
  let received: { authorization: string | undefined; body: unknown }[]

  beforeEach(async () => {
    status = 200
    received = []
    server = await serve(async (request, response) => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part)
      received.push({
        authorization: request.headers.authorization,
        body: JSON.parse(Buffer.concat(parts).toString()),
      })
      response.writeHead(status).end('{}')
    })
  })
  afterEach(() => server.close())

  test('sends it as JSON with the token', async () => {
    await postReport(server.url, report, 'page_1')
    expect(received).toEqual([{ authorization: 'Bearer page_1', body: report }])
  })

  test.each([400, 413, 422])('%d: the registry will never take it', async (answered) => {
    status = answered
    await expect(postReport(server.url, report, undefined)).rejects.toMatchObject({ code: 'TELEMETRY_REFUSED' })
  })

  test.each([401, 403, 404, 429, 500, 503])('%d: the registry does not take it now', async (answered) => {
    status = answered
    await expect(postReport(server.url, report, undefined)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  })

  test('no answer: the registry does not take it now', async () => {
    await server.close()
    await expect(postReport(server.url, report, undefined)).rejects.toMatchObject({ code: 'REGISTRY_UNREACHABLE' })
  })
})
