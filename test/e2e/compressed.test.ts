/** Reports of a page on the wire. */
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { telemetryReport } from '../../runtime/contract/telemetry.ts'
import { linearFiles } from '../registry/fixture.ts'
import { openPages, type Pages } from './pages.ts'

let pages: Pages

beforeAll(async () => {
  pages = await openPages(linearFiles(), { telemetryIntervalMs: 100 })
})
afterAll(() => pages?.[Symbol.asyncDispose]())

test('a page of another origin sends its first report as it is, later ones as gzip, and all are counted', async () => {
  const page = await pages.open()
  const encodings: (string | undefined)[] = []
  page.on('request', (request) => {
    const body = request.postDataBuffer()
    if (body === null) return
    const encoding = request.headers()['content-encoding']
    telemetryReport.parse(JSON.parse((encoding === 'gzip' ? gunzipSync(body) : body).toString()))
    encodings.push(encoding)
  })
  await page.evaluate(async () => {
    const connection = await globalThis.connectWith(['wasm'])
    for (let row = 1; row <= 3; row++) {
      await connection.score({ a: row, b: 1 })
      while ((await connection.state()).reported.rows < row) await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await connection.close()
  })
  expect(encodings).toEqual([undefined, 'gzip', 'gzip'])
  const answer = await pages.fixture.request('/api/v1/endpoints/e/profiles')
  expect(await answer.json()).toMatchObject({ items: [{ provider: 'wasm', rows: 3 }] })
})
