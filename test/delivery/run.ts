/**
 * Every way that a page gets `selvedge/browser`: packs the package, installs it into fresh applications and scores in
 * Chromium, without one bundler setting. Needs the npm registry, so it is a program of its own and no test:
 * `npm run test:delivery [tarball]`.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright'
import { chromiumArguments, chromiumPath } from '../chromium.ts'
import {
  build,
  type Demo,
  installApp,
  pageHtml,
  pageModule,
  reactModule,
  type Server,
  startDemo,
  startVite,
} from './apps.ts'
import { isolation, serveFolder, strictPolicy } from './site.ts'

/** How the worker got there: the file beside the module, or a blob of its text. */
type Started = 'file' | 'text'

interface Way {
  name: string
  worker: Started
  isolated?: boolean
  /** Workers that are left: an application that closes has none, one that is still mounted has its own. */
  left?: number
  open(): Promise<Server>
}

const root = fileURLToPath(new URL('../..', import.meta.url))
const hook = join(root, 'browser/examples/react/use-selvedge.tsx')
const folder = mkdtempSync(join(tmpdir(), 'selvedge-delivery-'))
const home = (app: string) => join(folder, app)
const moduleScript = '<script type="module" src="main.js"></script>'

try {
  const tarball = process.argv[2] === undefined ? pack() : resolve(process.argv[2])
  installApp(home('plain'), [tarball])
  installApp(home('vite-8'), [tarball, 'vite@8.3.8'])
  installApp(home('vite-7'), [tarball, 'vite@7.3.8'])
  installApp(home('react'), [tarball, 'vite@8.3.8', 'react@19.3.1', 'react-dom@19.3.1', '@types/react@19'])
  installApp(home('webpack-5'), [tarball, 'webpack@5.112.2', 'webpack-cli@7.3.1'])
  const demo = await startDemo(home('plain'))
  const browser = await chromium.launch({ executablePath: chromiumPath() ?? '', args: chromiumArguments })
  try {
    for (const way of ways(demo)) {
      const failure = await tryWay(browser, way)
      if (failure !== undefined) process.exitCode = 1
    }
  } finally {
    await browser.close()
    await demo.close()
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function pack(): string {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: root, stdio: 'inherit' })
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'))
  if (tarball === undefined) throw new Error('npm pack made no tarball')
  return join(folder, tarball)
}

function ways(demo: Demo): Way[] {
  const { registry } = demo
  const fromRegistry = () => plainSite('registry', `${registry}/runtime/1.30.0`, demo)
  const fromOwnModules = () => {
    const site = plainSite('modules', './selvedge', demo)
    cpSync(join(home('plain'), 'node_modules/selvedge/dist/browser'), join(site, 'selvedge'), { recursive: true })
    return site
  }
  return [
    {
      name: 'no bundler, module from the registry, page of another origin',
      worker: 'text',
      open: () => serveFolder(fromRegistry()),
    },
    {
      name: 'no bundler, module from the registry, page of another origin, isolated',
      worker: 'text',
      isolated: true,
      open: () => serveFolder(fromRegistry(), isolation),
    },
    {
      name: 'no bundler, module from the registry, page of another origin, strict policy',
      worker: 'text',
      open: () => serveFolder(fromRegistry(), strictPolicy(registry, { script: registry, worker: "'self' blob:" })),
    },
    {
      name: 'no bundler, module from node_modules, strict policy',
      worker: 'file',
      open: () => serveFolder(fromOwnModules(), strictPolicy(registry)),
    },
    {
      name: 'no bundler, module from node_modules, strict policy, isolated',
      worker: 'file',
      isolated: true,
      open: () => serveFolder(fromOwnModules(), { ...strictPolicy(registry), ...isolation }),
    },
    {
      name: 'Vite 8, dev server',
      worker: 'file',
      open: () => startVite(viteApp('vite-8', demo), 'dev'),
    },
    {
      name: 'Vite 8, build and preview',
      worker: 'file',
      open: () => {
        build(home('vite-8'), 'vite', ['build', '--logLevel', 'warn'])
        return startVite(home('vite-8'), 'preview')
      },
    },
    {
      name: 'Vite 8, build, strict policy, isolated',
      worker: 'file',
      isolated: true,
      open: () => serveFolder(join(home('vite-8'), 'dist'), { ...strictPolicy(registry), ...isolation }),
    },
    {
      name: 'Vite 7, dev server',
      worker: 'text',
      open: () => startVite(viteApp('vite-7', demo), 'dev'),
    },
    {
      name: 'Vite 7, build and preview',
      worker: 'file',
      open: () => {
        build(home('vite-7'), 'vite', ['build', '--logLevel', 'warn'])
        return startVite(home('vite-7'), 'preview')
      },
    },
    {
      name: 'Vite 8 and React, dev server, strict mode',
      worker: 'file',
      // Of the two that strict mode opens.
      left: 1,
      open: () => startVite(reactApp(demo), 'dev'),
    },
    {
      name: 'webpack 5, build',
      worker: 'file',
      open: () => serveFolder(webpackApp(demo)),
    },
    {
      name: 'webpack 5, build, strict policy, isolated',
      worker: 'file',
      isolated: true,
      open: () => serveFolder(join(home('webpack-5'), 'dist'), { ...strictPolicy(registry), ...isolation }),
    },
  ]
}

function plainSite(name: string, from: string, demo: Demo): string {
  const site = home(`site-${name}`)
  mkdirSync(site, { recursive: true })
  writeFileSync(join(site, 'index.html'), pageHtml(moduleScript))
  writeFileSync(join(site, 'main.js'), pageModule(`${from}/client.js`, demo, `${from}/progress.js`))
  return site
}

function viteApp(app: string, demo: Demo): string {
  writeFileSync(join(home(app), 'index.html'), pageHtml('<script type="module" src="/main.js"></script>'))
  writeFileSync(join(home(app), 'main.js'), pageModule('selvedge/browser', demo, 'selvedge/browser/progress'))
  return home(app)
}

function reactApp(demo: Demo): string {
  const app = home('react')
  writeFileSync(join(app, 'index.html'), pageHtml('<script type="module" src="/main.js"></script>'))
  writeFileSync(join(app, 'main.js'), reactModule(demo))
  cpSync(hook, join(app, 'use-selvedge.tsx'))
  const strict = ['--noEmit', '--strict', '--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2024']
  execFileSync(
    join(root, 'node_modules/.bin/tsc'),
    [...strict, '--jsx', 'react-jsx', '--lib', 'es2024,dom', '--skipLibCheck', '--types', 'react', 'use-selvedge.tsx'],
    { cwd: app, stdio: 'inherit' },
  )
  return app
}

function webpackApp(demo: Demo): string {
  const app = home('webpack-5')
  mkdirSync(join(app, 'src'))
  writeFileSync(join(app, 'src/index.js'), pageModule('selvedge/browser', demo, 'selvedge/browser/progress'))
  build(app, 'webpack', ['--mode', 'production', '--stats', 'errors-warnings'])
  writeFileSync(join(app, 'dist/index.html'), pageHtml('<script defer src="main.js"></script>'))
  return join(app, 'dist')
}

/** Prints one line; gives the reason where it failed. */
async function tryWay(browser: Browser, way: Way): Promise<string | undefined> {
  try {
    const site = await way.open()
    try {
      console.log(`ok   ${way.name}: ${await scoreIn(browser, site.url, way)}`)
    } finally {
      await site.close()
    }
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    console.log(`FAIL ${way.name}: ${reason}`)
    return reason
  }
}

async function scoreIn(browser: Browser, url: string, way: Way): Promise<string> {
  const context = await browser.newContext()
  const said: string[] = []
  const workers: string[] = []
  try {
    const page = await context.newPage()
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') said.push(message.text())
    })
    page.on('pageerror', (error) => said.push(error.message))
    page.on('worker', (worker) => workers.push(worker.url()))
    const started = performance.now()
    await page.goto(`${url}/`)
    await page.waitForFunction(() => 'delivered' in globalThis, undefined, { timeout: 60_000 })
    const tookMs = performance.now() - started
    const delivered = await page.evaluate<Record<string, unknown>>('delivered')
    const isolated = await page.evaluate<boolean>('crossOriginIsolated')
    if (delivered.class !== 'Adelie') throw new Error(String(delivered.error ?? JSON.stringify(delivered)))
    if (delivered.shown !== 'ready') throw new Error(`the progress ended with ${delivered.shown}`)
    if (isolated !== (way.isolated ?? false)) throw new Error(`crossOriginIsolated is ${isolated}`)
    const worker: Started = workers.at(-1)?.startsWith('blob:') ? 'text' : 'file'
    await workersLeft(page, way.left ?? 0)
    if (worker !== way.worker) throw new Error(`the worker was started from its ${worker}, not its ${way.worker}`)
    return `${delivered.class} on ${delivered.provider} by a worker from its ${worker}, ${(tookMs / 1000).toFixed(1)} s`
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error([reason, ...said].join('\n       '))
  } finally {
    await context.close()
  }
}

async function workersLeft(page: Page, wanted: number): Promise<void> {
  const until = performance.now() + 5000
  while (page.workers().length !== wanted) {
    if (performance.now() > until) throw new Error(`${page.workers().length} workers are left, not ${wanted}`)
    await page.evaluate('new Promise(requestAnimationFrame)')
  }
}
