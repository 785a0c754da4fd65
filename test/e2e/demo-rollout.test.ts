/** Rollouts watched on the demo page: its visitors say whether the answer was right, and the registry does the rest. */
import type { Page } from 'playwright'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Rollout } from '../../runtime/contract/rollout.ts'
import { chromiumArguments } from '../chromium.ts'
import { runJson } from '../server/cli/command.ts'
import { type DemoSite, openDemoSite } from './demo-site.ts'

const noWebGpu = chromiumArguments.filter((argument) => !/webgpu|vulkan|gpu-blocklist/i.test(argument))
const plan = ['--hold', '5s', '--min-units', '50', '--guard', 'outcome:accepted=0.1', '--guard', 'ratio', '--detach']

describe('a rollout on the demo page', () => {
  let site: DemoSite

  beforeAll(async () => {
    site = await openDemoSite()
  })

  afterAll(() => site?.close())

  const selvedge = (...args: string[]): Promise<Rollout> => runJson(args, { SELVEDGE_REGISTRY: site.registry })

  // One after the other on one page, as somebody who watches sees them.
  test('a better version advances to all visitors, and a bad one is pushed, rolled out and taken back', async () => {
    await site.visit(noWebGpu, async (page, errors) => {
      await page.getByRole('button', { name: 'Let visitors in' }).click()

      await selvedge('rollout', 'digits/green', '--steps', '25,100', ...plan)
      await shareOf(page, 'green v2', '25 %')
      await page.getByText(/^green completed/).waitFor({ timeout: 150_000 })
      await shareOf(page, 'green v2', '100 %')
      const better = await selvedge('rollout', 'digits')
      expect(better.history.map(({ action }) => action)).toEqual(['started', 'completed'])

      await selvedge('push', 'digits', 'dist/demo/digits-3')
      await selvedge('deploy', 'digits/red', '--model', 'digits@3')
      await selvedge('rollout', 'digits/red', '--steps', '25,100', ...plan)
      await shareOf(page, 'red v3', '25 %')
      await page.getByText(/^red reverted/).waitFor({ timeout: 150_000 })
      await shareOf(page, 'red v3', '0 %')
      await shareOf(page, 'green v2', '100 %')
      const bad = await selvedge('rollout', 'digits')
      expect(bad.history.at(-1)).toMatchObject({ action: 'reverted', why: 'broken: outcome accepted' })
      const [outcome] = bad.history.at(-1)?.evidence?.guards ?? []
      expect(outcome).toMatchObject({ verdict: 'worse', guard: { metric: 'outcome', name: 'accepted' } })

      expect(errors).toEqual([])
    })
  }, 400_000)
})

/** The row of a deployment, once it says so. */
async function shareOf(page: Page, name: string, share: string): Promise<void> {
  const row = page.locator('#rollout-seen tr', { hasText: name })
  await row.locator('td').first().getByText(share, { exact: true }).waitFor({ timeout: 150_000 })
}
