/** Builds what a page gets (dist/browser, dist/demo-page) and configures the tests. */
import { createHash } from 'node:crypto'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { playwright } from '@vitest/browser-playwright'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'
import { limits } from './runtime/limits.ts'
import { chromiumArguments, chromiumPath } from './test/chromium.ts'

const require = createRequire(import.meta.url)
const ortEntry = require.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm')
const ortVersion: string = JSON.parse(readFileSync(`${dirname(ortEntry)}/../package.json`, 'utf8')).version
const wasmFiles = [
  'ort-wasm-simd-threaded.wasm',
  'ort-wasm-simd-threaded.jspi.wasm',
  'ort-wasm-simd-threaded.asyncify.wasm',
]

const wasmDigests = Object.fromEntries(
  wasmFiles.map((file) => [file, digestOf(readFileSync(`${dirname(ortEntry)}/${file}`))]),
)

const define = { ORT_VERSION: JSON.stringify(ortVersion), WASM_DIGESTS: JSON.stringify(wasmDigests) }

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function executable(): { executablePath?: string } {
  const path = chromiumPath()
  return path === undefined ? {} : { executablePath: path }
}

const oneFile = (name: string, entry: string, external: string[] = []) => ({
  consumer: 'client' as const,
  define,
  build: {
    outDir: 'dist/browser',
    emptyOutDir: false,
    target: 'es2022',
    minify: true,
    modulePreload: false as const,
    // One file by design: three glues of ONNX Runtime are most of it.
    chunkSizeWarningLimit: 600,
    rolldownOptions: {
      input: entry,
      external,
      preserveEntrySignatures: 'strict' as const,
      output: { entryFileNames: `${name}.js`, codeSplitting: false },
    },
  },
})

export default defineConfig({
  // The demo page lies under /demo/ of the registry.
  base: '/demo/',
  plugins: [ortInOneFile(), inlineLimits(), ownErrors(), workerDigest(), plainWorkerStart(), demoPage()],
  environments: {
    worker: oneFile('worker', 'browser/worker.ts'),
    page: oneFile('client', 'browser/client.ts'),
    progress: oneFile('progress', 'browser/progress.ts'),
    openfeature: oneFile('openfeature', 'browser/openfeature.ts', ['@openfeature/web-sdk']),
    demo: {
      consumer: 'client',
      build: {
        outDir: 'dist/demo-page',
        emptyOutDir: true,
        rolldownOptions: { input: 'browser/demo/index.html', makeAbsoluteExternalsRelative: false },
      },
    },
  },
  test: {
    reporters: ['default', './test/summary.ts'],
    projects: [
      {
        extends: false,
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/browser/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: false,
        define,
        // Models of the conformance tests lie beside the repository.
        server: { fs: { allow: ['..'] } },
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: { ...executable(), args: chromiumArguments },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
    ],
  },
  builder: {
    async buildApp(builder) {
      for (const name of ['worker', 'page', 'progress', 'openfeature', 'demo']) {
        const environment = builder.environments[name]
        if (environment === undefined) throw new Error(`this file has no environment ${name}`)
        await builder.build(environment)
      }
      for (const file of wasmFiles) cpSync(`${dirname(ortEntry)}/${file}`, `dist/browser/${file}`)
    },
  },
})

/** A page uses a few of all limits: their numbers stand where they are used, and the others stay out of its module. */
function inlineLimits(): Plugin {
  return {
    name: 'inline-limits',
    enforce: 'pre',
    applyToEnvironment: ({ name }) => name === 'page',
    transform: (code) =>
      code.replaceAll(/\blimits\.(\w+)\b/g, (text, name) => String(limits[name as keyof typeof limits] ?? text)),
  }
}

/** A page has the errors that it or its worker throws, or that a registry answers hosts with; those of others stay out. */
function ownErrors(): Plugin {
  const answered = new Set(['ENDPOINT_UNKNOWN', 'FORBIDDEN', 'HOST_NOT_ALLOWED', 'NOT_FOUND', 'TOO_MANY_REQUESTS'])
  return {
    name: 'own-errors',
    enforce: 'pre',
    applyToEnvironment: ({ name }) => name === 'page',
    transform(code, id) {
      if (!id.endsWith('/runtime/errors.ts')) return
      const sources = readdirSync('browser').filter((file) => file.endsWith('.ts'))
      const texts = ['dist/browser/worker.js', ...sources.map((file) => `browser/${file}`)]
      const text = texts.map((file) => readFileSync(file, 'utf8')).join()
      const isOwn = (name: string) => answered.has(name) || new RegExp(`[\`'"]${name}[\`'"]`).test(text)
      return code.replaceAll(/^ {2}([A-Z0-9_]+): \[.*\],\n/gm, (line, name) => (isOwn(name) ? line : ''))
    },
  }
}

/**
 * ONNX Runtime's bundles in one file that runs from any address, a blob's too: `import.meta.url` is the worker's own,
 * there is no `process`, and no bundler that meets the file later follows its `import()` (design, section 5).
 */
function ortInOneFile(): Plugin {
  return {
    name: 'ort-in-one-file',
    enforce: 'pre',
    applyToEnvironment: (environment) => environment.name === 'worker',
    // Vite's own wrapper of import() asks import.meta, of which bundlers of applications then warn.
    load: (id) => (id === '\0vite/preload-helper.js' ? 'export const __vitePreload = (load) => load()' : undefined),
    transform(code, id) {
      if (!id.includes('/onnxruntime-web/dist/')) return
      return (
        code
          .replaceAll('import.meta.url', 'self.location.href')
          .replaceAll('globalThis.process', 'undefined')
          .replaceAll(/\btypeof process\b/g, '"undefined"')
          // Its threads load the worker's file anew, which has to know of which bundle they are.
          .replaceAll('name:"em-pthread"', `name:"em-pthread ${/ort\.(\w+)\.bundle/.exec(id)?.[1]}"`)
      )
    },
    // After minification, which drops comments.
    generateBundle(_, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type === 'chunk') {
          file.code = file.code.replaceAll(/\bimport\(/g, 'import(/* webpackIgnore: true *//* @vite-ignore */')
        }
      }
    },
  }
}

/** The page checks a worker that it starts from text against the one it was built with. */
function workerDigest(): Plugin {
  const id = 'virtual:worker-digest'
  return {
    name: 'worker-digest',
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    load(source) {
      if (source !== `\0${id}`) return
      const digest = createHash('sha256').update(readFileSync('dist/browser/worker.js')).digest('hex')
      return `export default ${JSON.stringify(digest)}`
    },
  }
}

/** The minifier writes template literals; applications' bundlers look for the plain form. */
function plainWorkerStart(): Plugin {
  const written =
    /new Worker\(new URL\(`\.\/worker\.js`,\s*(?:``\+)?import\.meta\.url\),\{type:`module`,name:`selvedge`\}\)/
  return {
    name: 'plain-worker-start',
    applyToEnvironment: (environment) => environment.name === 'page',
    generateBundle(_, bundle) {
      const chunk = bundle['client.js']
      if (chunk?.type !== 'chunk' || !written.test(chunk.code))
        this.error('client.js does not start worker.js as expected')
      else {
        const plain = 'new Worker(new URL("./worker.js",import.meta.url),{type:"module",name:"selvedge"})'
        chunk.code = chunk.code.replace(written, plain)
      }
    },
  }
}

/** The demo page takes the page module from the registry, beside the worker, as an application without a bundler does. */
function demoPage(): Plugin {
  return {
    name: 'demo-page',
    enforce: 'pre',
    applyToEnvironment: (environment) => environment.name === 'demo',
    resolveId: (source) =>
      source === '../client.ts' ? { id: `/runtime/${ortVersion}/client.js`, external: true } : undefined,
    // Vite lays a page where its source lies.
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        const page = bundle['browser/demo/index.html']
        if (page !== undefined) page.fileName = 'index.html'
      },
    },
  }
}
