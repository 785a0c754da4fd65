/** Site, registry and Chromium, for one variant. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright'
import { chromiumArguments, chromiumPath } from '../../test/chromium.ts'
import type { Measurement } from '../harness/scenario.ts'
import { type ModelName, models } from '../workloads/models.ts'
import type { Kind, Measured, Subject, Task } from '../workloads/task.ts'
import { type Served, serveModel } from './registry.ts'
import { absentBuild, openSite } from './site.ts'

export interface Stand {
  subject(kind: Kind, provider: Subject['provider']): Subject
  /** Through Selvedge, every request with a shadow. */
  shadowed(provider: Subject['provider']): Subject
  /** Requests whose shadow was compared. */
  shadows(): Promise<number>
  /**
   * Does a task in a new browser with the profile of this stand.
   *
   * @param watch - gets the page while it works, and has it until it returns
   */
  visit(task: Task, watch?: (page: Page, measured: Promise<Measured>) => Promise<void>): Promise<Measured>
  /** Where the browser keeps what it stores. */
  profile: string
}

export interface StandOptions {
  /** Served by the site, and by a registry. */
  model?: ModelName
  hasGpu: boolean
}

/** Why no page can be measured; undefined where one can. */
export function absentChromium(): string | undefined {
  return chromiumPath() === undefined ? 'no Chromium is installed' : absentBuild()
}

/** Runs a variant and prints its measurement; gives everything back. */
export async function withStand(
  { model, hasGpu }: StandOptions,
  use: (stand: Stand) => Promise<Measurement>,
): Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), 'selvedge-bench-profile-'))
  const site = await openSite()
  const served = model === undefined ? undefined : await serveModel(model)
  let context: BrowserContext | undefined

  function held(): Served {
    if (served === undefined) throw new Error('this stand has no model')
    return served
  }

  function subjectOf(kind: Kind, provider: Subject['provider'], target: Subject['target']): Subject {
    if (model === undefined) throw new Error('this stand has no model')
    const { input, shape, output } = models[model]
    return {
      kind,
      provider,
      build: provider === 'webgpu' ? 'jspi' : 'wasm',
      model: { url: `${site.url}models/${model}.onnx`, input, shape, output },
      target,
    }
  }

  try {
    const measurement = await use({
      profile,
      subject: (kind, provider) => subjectOf(kind, provider, held().target),
      shadowed: (provider) => subjectOf('selvedge', provider, held().shadowed),
      shadows: () => held().shadows(),
      async visit(task, watch) {
        context = await launch(profile, hasGpu)
        const page = await context.newPage()
        await page.goto(`${site.url}#${encodeURIComponent(JSON.stringify(task))}`)
        await page.waitForFunction('window.measured !== undefined')
        const measured = page.evaluate<Measured>('window.measured')
        await Promise.all([measured, watch?.(page, measured)])
        await context.close()
        return await measured
      },
    })
    console.log(JSON.stringify(measurement))
  } finally {
    await context?.close()
    await served?.close()
    site.close()
    rmSync(profile, { recursive: true, force: true })
  }
}

async function launch(profile: string, hasGpu: boolean): Promise<BrowserContext> {
  const executablePath = chromiumPath()
  if (executablePath === undefined) throw new Error('there is no Chromium')
  const webGpu = ['--enable-unsafe-webgpu', '--enable-features=Vulkan,WebGPU', '--use-webgpu-adapter=swiftshader']
  const args = hasGpu
    ? chromiumArguments
    : [...chromiumArguments.filter((argument) => !webGpu.includes(argument)), '--disable-features=WebGPU']
  return await chromium.launchPersistentContext(profile, { executablePath, args, headless: true })
}
