/** What a page counted when its visitor goes: its worker ends with it, and the interval of reports is a minute away. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { linearFiles } from '../registry/fixture.ts'
import { openPages, type Pages } from './pages.ts'

let pages: Pages

beforeAll(async () => {
  pages = await openPages(linearFiles())
})
afterAll(() => pages?.[Symbol.asyncDispose]())

const rows = async () => {
  const answer = await pages.fixture.request('/api/v1/endpoints/e/profiles')
  return ((await answer.json()) as { items: { rows: number; senders: number }[] }).items
}

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
  await vi.waitFor(async () => expect(await rows()).toMatchObject([{ rows: visits, senders: visits }]), 10_000)
  const status = await (await pages.fixture.request('/')).text()
  expect(status).toContain(`${visits} exposures`)
  expect(status).toContain(`${visits} outcomes`)
})

test('F-31: what a page counted without network, and could not send when it went, goes at its next visit', async () => {
  const [before] = await rows()
  const page = await pages.open()
  const url = page.url()
  const score = async (hasNetwork: boolean) => {
    await page.evaluate(() =>
      globalThis.connectWith(['wasm']).then((opened) => void Object.assign(globalThis, { opened })),
    )
    await page.context().setOffline(!hasNetwork)
    await page.evaluate(async () => {
      const { opened } = globalThis as unknown as { opened: Awaited<ReturnType<typeof globalThis.connectWith>> }
      await opened.outcome(await opened.score({ a: 1, b: 1 }, { unit: 'ada' }), { accepted: true })
    })
  }
  await score(false)
  await page.goto('about:blank')
  await page.context().setOffline(false)
  await page.goto(url)
  await page.waitForFunction(() => 'connectWith' in globalThis)
  await score(true)
  await page.goto('about:blank')
  await vi.waitFor(async () => {
    const [after] = await rows()
    expect((after?.rows ?? 0) - (before?.rows ?? 0)).toBe(2)
    expect((after?.senders ?? 0) - (before?.senders ?? 0)).toBe(2)
  }, 10_000)
})
