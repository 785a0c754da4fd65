/** The demo page as `selvedge up --demo` serves it, used by a visitor with a mouse. */
import type { Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chromiumArguments } from '../chromium.ts'
import { runCommand } from '../server/cli/command.ts'
import { type DemoSite, openDemoSite } from './demo-site.ts'

const noWebGpu = chromiumArguments.filter((argument) => !/webgpu|vulkan|gpu-blocklist/i.test(argument))

describe('the demo page', () => {
  let site: DemoSite

  beforeAll(async () => {
    site = await openDemoSite()
  })

  afterAll(() => site?.close())

  test('scores what is drawn on the faster provider, says by what and why, and reports counts', async () => {
    await site.visit(chromiumArguments, async (page, errors) => {
      const known = page.getByRole('region', { name: 'What the registry knows' })
      await drawOne(page)
      const said = await answer(page)
      expect(said.class).toBe('1')
      expect(said.scores).toHaveLength(10)
      expect(said['answered by']).toMatch(/^(blue, version 1|green, version 2) \(fp32\)$/)
      const [provider, other] = said.provider === 'webgpu' ? ['webgpu', 'wasm'] : ['wasm', 'webgpu']
      expect(said.provider).toBe(provider)
      expect(said.why).toMatch(new RegExp(`^${provider}, [\\d.]+ × ${other}, parity [\\de-]+`))
      expect(said.took).toMatch(/^[\d.]+ ms: model [\d.]+ ms, waiting [\d.]+ ms$/)
      await known.getByText(/blue v1 · \d+ %\s*green v2 · \d+ %/).waitFor()

      const invert = page.getByRole('button', { name: 'Invert' })
      await invert.click()
      expect(await invert.getAttribute('aria-pressed')).toBe('true')
      expect((await answer(page)).scores).not.toEqual(said.scores)

      await known.getByText(/^[1-9]\d* rows, last at/).waitFor({ timeout: 15_000 })
      expect(await known.getByRole('img').count()).toBeGreaterThan(0)
      expect(errors).toEqual([])
    })
  })

  test('answers the same when its GPU is unplugged, and comes back to it', async () => {
    await site.visit(chromiumArguments, async (page, errors) => {
      await drawOne(page)
      await page.getByRole('button', { name: 'GPU first' }).click()
      const before = await answer(page)
      expect(before).toMatchObject({ class: '1', provider: 'webgpu' })
      await page.getByRole('button', { name: 'Unplug the GPU' }).click()
      for (const deployment of ['blue', 'green']) {
        await page.getByText(`${deployment}: webgpu lost its device; wasm answers`).waitFor()
        await page.getByText(new RegExp(`${deployment}: webgpu answers again after [\\d.]+ ms`)).waitFor()
      }
      const invert = page.getByRole('button', { name: 'Invert' })
      await invert.click()
      await invert.click()
      const after = await answer(page)
      expect(after).toMatchObject({ class: '1', provider: 'webgpu' })
      expect(after.scores).toEqual(before.scores)
      expect(errors).toEqual([])
    })
  })

  test('shows how far the first load is', async () => {
    await site.visit(chromiumArguments, async (page) => {
      const phases = await page.evaluate<string[]>('phases')
      expect(new Set(phases)).toEqual(new Set(['plan', 'runtime', 'download', 'compile', 'warm-up', 'ready']))
      expect(phases.at(-1)).toBe('ready')
      expect(await page.locator('selvedge-progress').isVisible()).toBe(false)
    })
  })

  test('scores on WASM where there is no WebGPU, and says why', async () => {
    await site.visit(noWebGpu, async (page, errors) => {
      await drawOne(page)
      const said = await answer(page)
      expect(said.class).toBe('1')
      expect(said.provider).toBe('wasm')
      expect(said.why).toMatch(/WebGPU has no adapter|has no WebGPU/)
      expect(errors).toEqual([])
    })
  })

  test('a shifted input turns the verdict within a minute, and selvedge why says the same', async () => {
    await site.visit(noWebGpu, async (page, errors) => {
      await page.getByRole('button', { name: 'Score penguins' }).click()
      await expect.poll(() => verdictOn(page), { timeout: 120_000 }).toBe('no_drift')
      await page.locator('#drift-shift').fill('2')
      await expect.poll(() => verdictOn(page), { timeout: 60_000 }).toBe('drift')
      const { stdout } = await runCommand(['why', 'penguins', '--json'], { env: { SELVEDGE_REGISTRY: site.registry } })
      const { verdict, features } = JSON.parse(stdout) as {
        verdict: string
        features: { name: string; verdict: string }[]
      }
      expect(verdict).toBe('drift')
      expect(features.filter((each) => each.verdict === 'drift').map(({ name }) => name)).toEqual(['body_mass_g'])
      expect(await page.locator('#drift-said').textContent()).toMatch(
        /^All together: drift, .*made again here from their counts/,
      )
      expect(errors).toEqual([])
    })
  }, 240_000)
})

/** Of the shifted feature as the panel shows it. */
async function verdictOn(page: Page): Promise<string | null> {
  return await page.locator('#drift-verdict').getAttribute('data-verdict')
}

async function drawOne(page: Page): Promise<void> {
  const box = await page.locator('#pad').boundingBox()
  if (box === null) throw new Error('the drawing area is not shown')
  const at = (x: number, y: number): [number, number] => [box.x + box.width * x, box.y + box.height * y]
  await page.mouse.move(...at(0.55, 0.18))
  await page.mouse.down()
  await page.mouse.move(...at(0.48, 0.8), { steps: 12 })
  await page.mouse.up()
}

type Answer = Record<string, string> & { scores: string[] }

/** The answer to what is drawn now, once it stands, read at one moment. */
async function answer(page: Page): Promise<Answer> {
  let read: Answer | undefined
  // The page's policy forbids waitForFunction, which evaluates inside the page.
  const isSettled = async () => {
    read = (await page.evaluate(readAnswer)) as Answer | undefined
    return read !== undefined
  }
  await expect.poll(isSettled, { timeout: 20_000 }).toBe(true)
  return read as Answer
}

const readAnswer = `(() => {
  if (document.querySelector('#result').ariaBusy !== 'false') return undefined
  const texts = (selector) => [...document.querySelectorAll(selector)].map(({ textContent }) => textContent)
  const values = texts('#answer dd')
  const pairs = texts('#answer dt').map((name, i) => [name, values[i]])
  return { ...Object.fromEntries(pairs), class: texts('#class')[0], scores: texts('#bars output') }
})()`
