/** What befalls a page: its WebGPU device goes, its worker dies. Every request is answered, and right. */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import { serve } from '../fixtures/http.ts'
import { startCommand, startedOf } from '../server/cli/command.ts'
import { faultsPage } from './faults-page.ts'

interface Answer {
  class: string
  score: number
  provider: string
  why: string
}

describe('a page whose host fails', () => {
  let folder: string
  let up: ChildProcess
  let registry: string
  let options: { token: string; key: string }
  let site: Awaited<ReturnType<typeof serve>>
  let browser: Browser
  let page: Page
  /** The score that every answer must have. */
  let wanted: number

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'selvedge-faults-'))
    const ports = ['--registry-port', '0', '--scoring-port', '0', '--scorers', '1']
    up = startCommand(['up', '--demo', '--json', '--data', join(folder, 'data'), ...ports])
    const { registry: base, keys, demo } = started.parse(await startedOf(up))
    registry = new URL(base).origin
    options = { token: demo.pageToken, key: keys[0] ?? '' }
    site = await serve((_, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(faultsPage(registry, options))
    })
    browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
    await openPage({ on: 'evidence' })
    const [answer] = await ask()
    wanted = answer?.score ?? Number.NaN
    expect(wanted).toBeGreaterThan(0.8)
  }, 120_000)

  afterEach(() => page?.close())

  afterAll(async () => {
    await browser?.close()
    await site?.close()
    up?.kill('SIGTERM')
    if (up !== undefined && up.exitCode === null) await new Promise((resolve) => up.once('exit', resolve))
    rmSync(folder, { recursive: true, force: true })
  })

  /** The software adapter is slower than WASM: WebGPU must be asked for. */
  async function openPage({ on }: { on: 'webgpu' | 'evidence' }): Promise<void> {
    const context = await browser.newContext()
    page = await context.newPage()
    await page.goto(site.url)
    await page.waitForFunction('"start" in globalThis')
    await page.evaluate(on === 'webgpu' ? `start(['webgpu', 'wasm'])` : 'start()')
  }

  const ask = (count = 1): Promise<Answer[]> => page.evaluate(`askAll(${count})`)

  const events = (): Promise<{ type: string }[]> => page.evaluate('events')

  function expectRight(answers: readonly Answer[]): void {
    for (const answer of answers) {
      expect(answer.class).toBe('Adelie')
      expect(answer.score).toBeCloseTo(wanted, 4)
    }
  }
  test('the provider is chosen by evidence, which the answer tells', async () => {
    await openPage({ on: 'evidence' })
    const [answer] = await ask()
    expect(answer?.provider).toBe('wasm')
    expect(answer?.why).toMatch(/^wasm, \d+(\.\d+)? × webgpu, parity \de-\d+$/)
    // The next visit does not compare again.
    await page.evaluate('penguins.close()')
    await page.evaluate('start()')
    expect((await ask())[0]?.why).toBe(`${answer?.why}; as last compared`)
  })

  test('F-26: a device destroyed before, during and after runs: no answer is wrong, none is missing', async () => {
    await openPage({ on: 'webgpu' })
    expect((await ask())[0]?.provider).toBe('webgpu')
    for (let loss = 1; loss <= 3; loss++) {
      const answers = await page.evaluate<Answer[]>(`askAroundLoss(${loss === 2})`)
      expect(answers).toHaveLength(9)
      expectRight(answers)
      await page.waitForFunction(`events.filter(({ type }) => type === 'device_recovered').length === ${loss}`)
      const [again] = await ask()
      expectRight(again === undefined ? [] : [again])
      expect(again?.provider).toBe('webgpu')
    }
    expect((await events()).map(({ type }) => type)).toEqual(
      Array.from({ length: 3 }, () => ['device_lost', 'device_recovered']).flat(),
    )
    // Counted at the registry as an error of the provider that it befell.
    expect(await page.evaluate('penguins.report()')).toBe(true)
    const profiles = await fetch(`${registry}/api/v1/endpoints/penguins/profiles`)
    const { items } = (await profiles.json()) as { items: { provider: string; errors: Record<string, number> }[] }
    expect(items.find(({ provider }) => provider === 'webgpu')?.errors).toEqual({ DEVICE_LOST: 3 })
  })

  test('F-27: a worker that closes itself with requests waiting is replaced, and each request answered once', async () => {
    await openPage({ on: 'evidence' })
    const [worker] = page.workers()
    if (worker === undefined) throw new Error('the page has no worker')
    const waiting = ask(20)
    await worker.evaluate('close()').catch(() => undefined)
    const answers = [...(await waiting), ...(await ask(5))]
    expect(answers).toHaveLength(25)
    expectRight(answers)
    expect(await events()).toEqual([{ type: 'worker_restarted', why: 'the worker died' }])
  })

  test('F-27: a worker that dies again and again is given up after two restarts, aloud', async () => {
    await openPage({ on: 'evidence' })
    for (let death = 1; death <= 3; death++) {
      const worker = page.workers().at(-1)
      await worker?.evaluate('close()').catch(() => undefined)
      if (death <= 2) expectRight(await ask())
    }
    expect(await page.evaluate('ask().catch((error) => error.code)')).toBe('WORKER_UNAVAILABLE')
  })
})

const started = z.object({ registry: z.url(), keys: z.array(z.string()), demo: z.object({ pageToken: z.string() }) })
