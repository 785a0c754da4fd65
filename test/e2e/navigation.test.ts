/** What a page counted when its visitor goes: its worker ends with it, and the interval of reports is a minute away. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { linearFiles } from '../registry/fixture.ts'
import { openPages, type Pages } from './pages.ts'

let pages: Pages

beforeAll(async () => {
  pages = await openPages(linearFiles())
})
afterAll(() => pages?.[Symbol.asyncDispose]())

const rows = async ({ fixture } = pages) => {
  const answer = await fixture.request('/api/v1/endpoints/e/profiles')
  return ((await answer.json()) as { items: { rows: number; senders: number }[] }).items
}

// The first report's answer waits until it is asked for; no later report gets away.
const slowNetwork = `{
  const { fetch } = self
  const channel = new BroadcastChannel('network')
  const asked = new Promise((answer) => { channel.onmessage = answer })
  let reports = 0
  self.fetch = async (url, init) => {
    const isReport = init?.method === 'POST'
    if (isReport && ++reports > 1) {
      channel.postMessage('next report')
      await new Promise(() => undefined)
    }
    const answer = await fetch(url, init)
    if (isReport) await asked
    return answer
  }
}`

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

test('F-31: what came while a report was under way goes with the page, though the report was answered before', async () => {
  await using slow = await openPages(linearFiles(), { prelude: slowNetwork })
  const page = await slow.open()
  await page.evaluate(async () => {
    const opened = await globalThis.connectWith(['wasm'])
    await opened.score({ a: 1, b: 1 }, { unit: 'ada' })
    void opened.report()
    Object.assign(globalThis, { opened })
  })
  await vi.waitFor(async () => expect(await rows(slow)).toMatchObject([{ rows: 1 }]), 10_000)
  await page.evaluate(async () => {
    const { opened } = globalThis as unknown as { opened: Awaited<ReturnType<typeof globalThis.connectWith>> }
    await opened.outcome(await opened.score({ a: 1, b: 1 }, { unit: 'ada' }), { accepted: true })
    const channel = new BroadcastChannel('network')
    const next = new Promise((told) => {
      channel.onmessage = told
    })
    channel.postMessage('answer')
    await next
    // What the worker told the page before has come.
    await opened.state()
  })
  await page.goto('about:blank')
  await vi.waitFor(async () => expect(await rows(slow)).toMatchObject([{ rows: 2 }]), 10_000)
  expect(await (await slow.fixture.request('/')).text()).toContain('1 outcomes')
})
