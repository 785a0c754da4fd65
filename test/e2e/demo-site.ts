/** `selvedge up --demo` on free ports with a data folder of its own, and a Chromium that looks at its page. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright'
import { chromiumPath } from '../chromium.ts'
import { startCommand, startedOf } from '../server/cli/command.ts'

export interface DemoSite {
  /** Base address. */
  registry: string
  /** Opens the page and waits until it can score; `errors` is what its console said. */
  visit(args: readonly string[], look: (page: Page, errors: string[]) => Promise<void>): Promise<void>
  close(): Promise<void>
}

/** What `<selvedge-progress>` showed, in `phases`. */
const notePhases = `
  globalThis.phases = []
  const noted = new MutationObserver((changes) => {
    for (const { target } of changes) phases.push(target.getAttribute('phase'))
  })
  noted.observe(document, { subtree: true, attributeFilter: ['phase'] })
`

export async function openDemoSite(): Promise<DemoSite> {
  const folder = mkdtempSync(join(tmpdir(), 'selvedge-demo-page-'))
  const ports = ['--registry-port', '0', '--scoring-port', '0', '--scorers', '1']
  const up = startCommand(['up', '--demo', '--json', '--data', join(folder, 'data'), ...ports])
  const started = (await startedOf(up)) as unknown as { registry: string; demo: { page: string } }

  async function visit(args: readonly string[], look: (page: Page, errors: string[]) => Promise<void>): Promise<void> {
    const browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: [...args] })
    try {
      const page = await browser.newPage()
      await page.addInitScript(notePhases)
      const errors: string[] = []
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text())
      })
      await page.goto(started.demo.page)
      await page.getByText(/^Ready after/).waitFor({ timeout: 60_000 })
      await look(page, errors)
    } finally {
      await browser.close()
    }
  }

  return {
    registry: started.registry,
    visit,
    async close() {
      up.kill('SIGTERM')
      if (up.exitCode === null) await new Promise((resolve) => up.once('exit', resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
