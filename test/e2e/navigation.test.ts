/** What a page counted when its visitor goes: its worker ends with it, and the interval of reports is a minute away. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { linearFiles } from '../registry/fixture.ts'
import { openPages, type Pages } from './pages.ts'

let pages: Pages

beforeAll(async () => {
  pages = await openPages(linearFiles())
})
afterAll(() => pages?.[Symbol.asyncDispose]())

const visits = 20

test('F-31: of twenty visits that end with a navigation no row, exposure or outcome is lost', async () => {
  const page = await pages.open()
  const url = page.url()
  for (let visit = 0; visit < visits; visit++) {
    await page.goto(url)
    await page.waitForFunction(() => 'connectWith' in globalThis)
    await page.evaluate(async (unit) => {
      const connection = await globalThis.connectWith(['wasm'])
      await connection.outcome(await connection.score({ a: 1, b: 1 }, { unit }), { accepted: true })
    }, `unit ${visit}`)
    await page.goto('about:blank')
  }
  await vi.waitFor(async () => {
    const answer = await pages.fixture.request('/api/v1/endpoints/e/profiles')
    expect(await answer.json()).toMatchObject({ items: [{ rows: visits, senders: visits }] })
  }, 10_000)
  const status = await (await pages.fixture.request('/')).text()
  expect(status).toContain(`${visits} exposures`)
  expect(status).toContain(`${visits} outcomes`)
})
