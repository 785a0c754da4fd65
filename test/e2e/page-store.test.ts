/** Models on their way into a page: the real loader and the real store in a worker of a real browser. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BrowserContext, chromium, type Page } from 'playwright'
import { build } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Digest } from '../../runtime/contract/names.ts'
import { type Plan, plan as planSchema } from '../../runtime/contract/plan.ts'
import { limits } from '../../runtime/limits.ts'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { serve } from '../fixtures/http.ts'
import { scaleDescription } from '../fixtures/models.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const digestOf = (bytes: Uint8Array): Digest => `sha256:${sha256(bytes)}`

/** Four whole chunks and a part. */
const model = randomBytes(4 * limits.chunkBytes + 1000)
const description = Buffer.from(JSON.stringify(scaleDescription))

/** How a request for the model is answered. */
interface Answering {
  /** Of what is sent, and of what is announced. */
  body?: Buffer
  type?: string
  /** Ends the connection after so many bytes; `hang` leaves it open. */
  cut?: { at: number; how: 'close' | 'hang' }
}

/** What is called of `test/browser/store-worker.ts`. */
interface StoreApi {
  writeChunk(blob: Digest, index: number, chunk: Uint8Array): Promise<void>
  readChunk(blob: Digest, index: number, length: number): Promise<Uint8Array<ArrayBuffer> | undefined>
  load(plan: Plan): Promise<{ digest?: Digest; error?: string; message?: string; unkept: string[] }>
}

declare global {
  // What a page holds for calls from this test.
  var store: StoreApi
  var openStore: (worker: string) => Promise<string>
  var damage: (name: string, flipAt: number, length: number) => Promise<void>
}

describe('models on their way into a page', () => {
  let folder: string
  let site: Awaited<ReturnType<typeof serve>>
  let context: BrowserContext
  let answering: Answering[]
  let asked: { range: string | undefined; sentBytes: number }[]
  let plan: Plan

  beforeAll(async () => {
    const worker = await bundle(fileURLToPath(new URL('../browser/store-worker.ts', import.meta.url)))
    const comlink = readFileSync(new URL('../../node_modules/comlink/dist/esm/comlink.mjs', import.meta.url))
    const withoutOpfs = `navigator.storage.getDirectory = async () => { throw new DOMException('no', 'SecurityError') };`
    site = await serve((request, response) => {
      const script = { '/worker.js': worker, '/without-opfs.js': withoutOpfs + worker, '/comlink.js': comlink }
      const text = script[request.url as keyof typeof script]
      if (text !== undefined) response.setHeader('content-type', 'text/javascript').end(text)
      else if (request.url?.endsWith(digestOf(description))) response.end(description)
      else if (request.url?.endsWith(digestOf(model))) send(request.headers.range, answering.shift() ?? {}, response)
      else response.setHeader('content-type', 'text/html').end(html)
    })
    plan = planOf(`${site.url}/v2/`)
  })
  afterAll(() => site?.close())

  function send(range: string | undefined, { body = model, type, cut }: Answering, response: Response_): void {
    const [, from, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
    const part = body.subarray(Number(from ?? 0), last ? Number(last) + 1 : body.length)
    const sent = cut === undefined ? part : part.subarray(0, cut.at)
    asked.push({ range, sentBytes: sent.length })
    response.writeHead(from === undefined ? 200 : 206, {
      'content-type': type ?? 'application/octet-stream',
      'content-length': part.length,
    })
    if (cut === undefined) response.end(part)
    else response.write(sent, () => cut.how === 'close' && response.destroy())
  }

  // Of its own profile: in a private window files are kept in memory.
  beforeEach(async () => {
    answering = []
    asked = []
    folder = mkdtempSync(join(tmpdir(), 'selvedge-page-store-'))
    context = await chromium.launchPersistentContext(folder, {
      executablePath: chromiumPath() ?? '',
      args: chromiumArguments,
    })
  })
  afterEach(async () => {
    await context?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function openPage(worker: 'worker' | 'without-opfs' = 'worker'): Promise<{ page: Page; kind: string }> {
    const page = await context.newPage()
    await page.goto(site.url)
    const kind = await page.evaluate((file) => globalThis.openStore(file), `/${worker}.js`)
    return { page, kind }
  }

  const load = (page: Page) => page.evaluate((plan) => globalThis.store.load(plan), plan)

  const write = (page: Page, blob: Digest, index: number) =>
    page.evaluate(([blob, index, length]) => globalThis.store.writeChunk(blob, index, new Uint8Array(length)), [
      blob,
      index,
      limits.chunkBytes,
    ] as const)

  /** Which chunks of the model the store gives back as they should be. */
  async function keptChunks(page: Page): Promise<number[]> {
    const kept: number[] = []
    for (let index = 0; index * limits.chunkBytes < model.length; index++) {
      const chunk = model.subarray(index * limits.chunkBytes, (index + 1) * limits.chunkBytes)
      const digest = await page.evaluate(
        async ([blob, index, length]) => {
          const bytes = await globalThis.store.readChunk(blob, index, length)
          if (bytes === undefined) return ''
          const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
          return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
        },
        [digestOf(model), index, chunk.length] as const,
      )
      if (digest === sha256(chunk)) kept.push(index)
    }
    return kept
  }

  const whole = { digest: digestOf(model), unkept: [] }

  test('a model is downloaded once, and read from the store by the next page', async () => {
    const { page, kind } = await openPage()
    expect(kind).toBe('opfs')
    expect(await load(page)).toEqual(whole)
    await page.close()
    expect(await load((await openPage()).page)).toEqual(whole)
    expect(asked).toEqual([{ range: undefined, sentBytes: model.length }])
  })

  test.each([
    ['an HTML page', Buffer.from('<!doctype html><title>Sign in</title>'), 'text/html'],
    ['a byte too few', model.subarray(0, -1), undefined],
    ['a byte too many', Buffer.concat([model, Buffer.of(0)]), undefined],
  ])('%s in the place of the model is refused, and leaves nothing wrong behind', async (_, body, type) => {
    const { page } = await openPage()
    const wrong: Answering = { body, ...(type !== undefined && { type }) }
    answering = [wrong, wrong, wrong]
    const refused = await load(page)
    expect(refused).toMatchObject({ error: 'DIGEST_MISMATCH' })
    if (type === 'text/html') expect(refused.message).toContain('an HTML page came in its place')
    answering = []
    expect(await load(page)).toEqual(whole)
    expect(await keptChunks(page)).toEqual([0, 1, 2, 3, 4])
  })

  test.each([0.01, 0.5, 0.99])('BR-02: a download that is cut at %d of the model resumes', async (part) => {
    const { page } = await openPage()
    answering = [{ cut: { at: Math.floor(model.length * part), how: 'close' } }]
    const first = await load(page)
    // Taken up at once where a chunk had come; else by the next load.
    if (part > 0.01) expect(first).toEqual(whole)
    else expect(first).toMatchObject({ error: 'REGISTRY_UNREACHABLE' })
    expect(await load(page)).toEqual(whole)
    expect(asked).toHaveLength(2)
    const from = Number(/^bytes=(\d+)-$/.exec(asked[1]?.range ?? 'bytes=0-')?.[1])
    expect(from % limits.chunkBytes).toBe(0)
    expect(from).toBeLessThanOrEqual(Math.floor(model.length * part))
    expect(part > 0.01).toBe(from > 0)
  })

  test.each([
    [0.01, []],
    [0.5, [0, 1]],
    [0.99, [0, 1, 2]],
  ])('a page killed at %d of a download: the next one takes up where it ended', async (part, chunks) => {
    const { page } = await openPage()
    answering = [{ cut: { at: Math.floor(model.length * part), how: 'hang' } }]
    void load(page).catch(() => undefined)
    await vi.waitFor(() => expect(asked).toHaveLength(1), 10_000)
    const { page: other } = await openPage()
    await vi.waitFor(async () => expect(await keptChunks(other)).toEqual(chunks), 10_000)
    const crashed = page.waitForEvent('crash')
    await page.goto('chrome://crash').catch(() => undefined)
    await crashed
    expect(await load(other)).toEqual(whole)
    expect(asked.map(({ range }) => range)).toEqual([
      undefined,
      chunks.length === 0 ? undefined : `bytes=${chunks.length * limits.chunkBytes}-`,
    ])
  })

  test('BR-01: a flipped stored byte and a torn last chunk are fetched again, and nothing else', async () => {
    const { page } = await openPage()
    expect(await load(page)).toEqual(whole)
    asked = []
    await page.evaluate(([name, flipAt, length]) => globalThis.damage(name, flipAt, length), [
      digestOf(model).replace(':', '-'),
      limits.chunkBytes + 77,
      model.length - 500,
    ] as const)
    expect(await keptChunks(page)).toEqual([0, 2, 3])
    expect(await load(page)).toEqual(whole)
    expect(asked.map(({ range }) => range)).toEqual([
      `bytes=${limits.chunkBytes}-${2 * limits.chunkBytes - 1}`,
      `bytes=${4 * limits.chunkBytes}-`,
    ])
    expect(await keptChunks(page)).toEqual([0, 1, 2, 3, 4])
  })

  test('F-29: two tabs that load one model at once download it once', async () => {
    const [first, second] = [await openPage(), await openPage()]
    expect(await Promise.all([load(first.page), load(second.page)])).toEqual([whole, whole])
    expect(asked).toEqual([{ range: undefined, sentBytes: model.length }])
  })

  test('F-29: a tab that waits goes on where the one that downloaded was closed', async () => {
    const [first, second] = [await openPage(), await openPage()]
    answering = [{ cut: { at: 2.5 * limits.chunkBytes, how: 'hang' } }]
    void load(first.page).catch(() => undefined)
    await vi.waitFor(() => expect(asked).toHaveLength(1), 10_000)
    const { page: observer } = await openPage()
    await vi.waitFor(async () => expect(await keptChunks(observer)).toEqual([0, 1]), 10_000)
    const waiting = load(second.page)
    await first.page.close()
    expect(await waiting).toEqual(whole)
    expect(asked.map(({ range }) => range)).toEqual([undefined, `bytes=${2 * limits.chunkBytes}-`])
  })

  test.each(['worker', 'without-opfs'] as const)(
    'F-28: with its quota used up a page scores from memory, says so once and leaves no half entry (%s)',
    async (worker) => {
      const { page } = await openPage(worker)
      const session = await context.newCDPSession(page)
      await session.send('Storage.overrideQuotaForOrigin', {
        origin: site.url,
        quotaSize: 2.5 * limits.chunkBytes,
      })
      expect(await load(page)).toEqual({ ...whole, unkept: ['STORAGE_FULL'] })
      expect(await keptChunks(page)).toEqual([])
      // And the next visit, too.
      expect(await load(page)).toEqual({ ...whole, unkept: ['STORAGE_FULL'] })
    },
  )

  test.each(['worker', 'without-opfs'] as const)(
    'F-28: where its quota is used up by what is not in use, that makes room (%s)',
    async (worker) => {
      const { page } = await openPage(worker)
      const old = `sha256:${'a'.repeat(64)}` as const
      for (const index of [0, 1, 2, 3]) await write(page, old, index)
      const session = await context.newCDPSession(page)
      // Too small for both. Chromium reserves a growing file's room in powers of two: eight chunks for this one.
      const quotaSize = (worker === 'worker' ? 10 : 7) * limits.chunkBytes
      await session.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize })
      expect(await load(page)).toEqual(whole)
      expect(await keptChunks(page)).toEqual([0, 1, 2, 3, 4])
      expect(await page.evaluate((blob) => globalThis.store.readChunk(blob, 0, 1), old)).toBeUndefined()
    },
  )

  test('without the file system a page keeps models in IndexedDB', async () => {
    const { page, kind } = await openPage('without-opfs')
    expect(kind).toBe('indexeddb')
    expect(await load(page)).toEqual(whole)
    await page.close()
    expect(await load((await openPage('without-opfs')).page)).toEqual(whole)
    expect(asked).toHaveLength(1)
  })
})

const html = `<!doctype html><script type="module">
  import { wrap } from '/comlink.js'
  globalThis.openStore = async (worker) => {
    globalThis.store = wrap(new Worker(worker, { type: 'module' }))
    return await globalThis.store.open('opfs')
  }
  globalThis.damage = async (name, flipAt, length) => {
    const root = await navigator.storage.getDirectory()
    const folder = await root.getDirectoryHandle('selvedge-blobs')
    const handle = await folder.getFileHandle(name)
    const [byte] = new Uint8Array(await (await handle.getFile()).slice(flipAt, flipAt + 1).arrayBuffer())
    const writable = await handle.createWritable({ keepExistingData: true })
    await writable.write({ type: 'write', position: flipAt, data: Uint8Array.of(byte ^ 1) })
    await writable.truncate(length)
    await writable.close()
  }
</script>`

type Response_ = Parameters<Parameters<typeof serve>[0]>[1]

function planOf(blobs: string): Plan {
  const plan = planSchema.parse(JSON.parse(readFileSync(new URL('../contract/plan.json', import.meta.url), 'utf8')))
  const [deployment] = plan.deployments
  if (deployment === undefined) throw new Error('the golden plan has no deployment')
  const { spec: _spec, golden: _golden, ...rest } = deployment
  const chunks: string[] = []
  for (let from = 0; from < model.length; from += limits.chunkBytes) {
    chunks.push(sha256(model.subarray(from, from + limits.chunkBytes)))
  }
  const files = [{ path: 'model.onnx', digest: digestOf(model), size: model.length, chunks }]
  const variants = [{ id: 'fp32', providers: ['wasm' as const], files }]
  return { ...plan, blobs, deployments: [{ ...rest, description: digestOf(description), variants }] }
}

async function bundle(entry: string): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: { input: entry, preserveEntrySignatures: 'strict', output: { codeSplitting: false } },
    },
  })
  const [output] = Array.isArray(built) ? built : [built]
  if (output === undefined || !('output' in output)) throw new Error(`${entry} was not bundled`)
  return output.output[0].code
}
