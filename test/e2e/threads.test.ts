/** How many threads a page takes: what they cost and give is measured behind a visit, and the next one goes by it. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import type { ThreadTrial } from '../../browser/threads.ts'
import type { Connection, Scored } from '../../runtime/connection.ts'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { pageHtml } from '../delivery/apps.ts'
import { isolation, strictPolicy } from '../delivery/site.ts'
import { serve } from '../fixtures/http.ts'
import { startCommand, startedOf } from '../server/cli/command.ts'

const record = { beak_length_mm: 39.1, flipper_length_mm: 181, island: 'Torgersen', sex: null }
const started = z.object({ registry: z.string(), keys: z.array(z.string()), demo: z.object({ pageToken: z.string() }) })

declare global {
  // What the page holds between calls from this test.
  var penguins: Connection
  var start: () => Promise<void>
}

describe('a page that is cross-origin isolated', () => {
  let folder: string
  let up: ChildProcess
  let registry: string
  let site: Awaited<ReturnType<typeof serve>>
  let context: BrowserContext
  let headers: Record<string, string>
  /** The page module is the registry's, so that the worker starts from a blob. */
  let isForeign: boolean
  /** How often the worker's file was asked for: by the page, by each trial and by each thread. */
  let askedForWorker: number
  /** The worker's file is there for the page, and then not any more. */
  let isWorkerGone: boolean
  let errors: string[]

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-threads-'))
    const ports = ['--registry-port', '0', '--scoring-port', '0', '--scorers', '1']
    up = startCommand(['up', '--demo', '--json', '--data', join(folder, 'data'), ...ports])
    const { registry: base, keys, demo } = started.parse(await startedOf(up))
    registry = new URL(base).origin
    const options = JSON.stringify({ token: demo.pageToken, key: keys[0] })
    const module = () => `import { connect } from '${isForeign ? `${registry}/runtime/1.30.0` : ''}/client.js'
      globalThis.start = async () => {
        globalThis.penguins = await connect('${registry}', 'penguins', ${options})
      }`
    site = await serve((request, response) => {
      const policy = strictPolicy(registry, isForeign ? { script: registry, worker: 'blob:' } : {})
      for (const [name, value] of Object.entries({ ...policy, ...headers })) response.setHeader(name, value)
      response.setHeader('cache-control', 'no-store')
      const file = /^\/(client|worker)\.js$/.exec(request.url ?? '')?.[0]
      if (file === '/worker.js' && ++askedForWorker > 1 && isWorkerGone) {
        response.writeHead(404).end()
        return
      }
      if (file !== undefined) {
        response.setHeader('content-type', 'text/javascript')
        response.end(readFileSync(new URL(`../../dist/browser${file}`, import.meta.url)))
        return
      }
      if (request.url === '/main.js') response.setHeader('content-type', 'text/javascript').end(module())
      else
        response.setHeader('content-type', 'text/html').end(pageHtml('<script type="module" src="main.js"></script>'))
    })
  })

  beforeEach(async () => {
    headers = isolation
    isForeign = false
    askedForWorker = 0
    isWorkerGone = false
    errors = []
    const browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
    context = await browser.newContext()
  })

  afterEach(() => context?.browser()?.close())

  afterAll(async () => {
    await site?.close()
    up?.kill('SIGTERM')
    if (up !== undefined && up.exitCode === null) await new Promise((resolve) => up.once('exit', resolve))
    rmSync(folder, { recursive: true, force: true })
  })

  async function visit(): Promise<{ page: Page; scored: Scored }> {
    const page = await context.newPage()
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
    })
    await page.goto(site.url)
    await page.evaluate(() => globalThis.start())
    return { page, scored: await score(page) }
  }

  const score = (page: Page) => page.evaluate((record) => globalThis.penguins.score(record), record)

  async function trialOf(page: Page): Promise<ThreadTrial> {
    return await vi.waitUntil(async () => (await page.evaluate<ThreadTrial[]>(readTrials))[0], {
      timeout: 30_000,
      interval: 200,
    })
  }

  /** A visit whose trial has shown this instead. */
  async function visitWithTrial(trial: ThreadTrial): Promise<Scored> {
    const { page, scored } = await visit()
    await trialOf(page)
    await page.evaluate(replaceTrials(trial))
    await page.evaluate(() => globalThis.penguins.close())
    await page.close()
    askedForWorker = 0
    return scored
  }

  test.each([
    ['from a file', false],
    ['from a blob', true],
  ])('measures two threads beside one behind a visit, its worker %s, and keeps both times', async (_, foreign) => {
    isForeign = foreign
    const { page, scored } = await visit()
    expect(scored.why).not.toContain('thread')
    expect(await trialOf(page)).toEqual({ threads: 2, oneMs: expect.any(Number), manyMs: expect.any(Number) })
    // One for the page and one for each trial: what is asked for beyond are threads of ONNX Runtime.
    if (!foreign) expect(askedForWorker).toBeGreaterThan(3)
    expect(errors).toEqual([])
  })

  test('takes two threads at the next visit where they paid, and says so', async () => {
    const before = await visitWithTrial({ threads: 2, oneMs: 16, manyMs: 10 })
    const { page, scored } = await visit()
    expect(scored.why).toMatch(/^wasm, .*; 2 threads 1\.6 × one$/)
    // One for the page and one to see whether the worker may start others.
    expect(askedForWorker).toBeGreaterThan(2)
    expectSame(scored, before)
    expect(await trialOf(page)).toEqual({ threads: 2, oneMs: 16, manyMs: 10 })
    expect(errors).toEqual([])
  })

  test('stays with one thread where two were slower, and says so', async () => {
    const before = await visitWithTrial({ threads: 2, oneMs: 10, manyMs: 13 })
    const { scored } = await visit()
    expect(scored.why).toMatch(/^wasm, .*; one thread: 2 threads took 1\.3 × as long$/)
    expect(askedForWorker).toBe(1)
    expectSame(scored, before)
    expect(errors).toEqual([])
  })

  test('BR-06: scores with one thread where its worker may not start others any more', async () => {
    const before = await visitWithTrial({ threads: 2, oneMs: 16, manyMs: 10 })
    isWorkerGone = true
    const { scored } = await visit()
    expect(scored.why).not.toContain('thread')
    expectSame(scored, before)
  })

  test('tries nothing where it is not isolated', async () => {
    headers = {}
    const { page } = await visit()
    expect(await page.evaluate('crossOriginIsolated')).toBe(false)
    expect(await page.evaluate(readTrials)).toEqual([])
    expect(askedForWorker).toBe(1)
  })
})

function expectSame(scored: Scored, before: Scored): void {
  if (!('class' in scored && 'class' in before)) throw new Error('no class was scored')
  expect(scored.class).toBe(before.class)
  expect(scored.scores[scored.class]).toBeCloseTo(before.scores[before.class] ?? Number.NaN, 4)
}

const openKept = `new Promise((resolve, reject) => {
  const opening = indexedDB.open('selvedge-choices')
  opening.onerror = () => reject(opening.error)
  opening.onsuccess = () => resolve(opening.result)
})`

const readTrials = `${openKept}.then((database) => new Promise((resolve) => {
  const reading = database.transaction('threads').objectStore('threads').getAll()
  reading.onsuccess = () => {
    database.close()
    resolve(reading.result)
  }
}))`

const replaceTrials = (trial: ThreadTrial) => `${openKept}.then((database) => new Promise((resolve) => {
  const writing = database.transaction('threads', 'readwrite')
  const trials = writing.objectStore('threads')
  const keys = trials.getAllKeys()
  keys.onsuccess = () => {
    for (const key of keys.result) trials.put(${JSON.stringify(trial)}, key)
  }
  writing.oncomplete = () => {
    database.close()
    resolve()
  }
}))`
