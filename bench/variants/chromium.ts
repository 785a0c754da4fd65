/** One session in a fresh Chromium, bare or ours: `node bench/variants/chromium.ts <wasm|webgpu> <bare|selvedge>`. */
import { chromium } from 'playwright'
import { createServer } from 'vite'
import { chromiumArguments, chromiumPath } from '../../test/chromium.ts'

const [provider, kind] = process.argv.slice(2)
const executablePath = chromiumPath()
if (executablePath === undefined) throw new Error('there is no Chromium')

const server = await createServer({
  configFile: false,
  logLevel: 'error',
  appType: 'mpa',
  server: { host: '127.0.0.1', port: 0, hmr: false, ws: false },
  // Nothing is bundled beforehand: ONNX Runtime's bundles find their .wasm beside themselves.
  optimizeDeps: { noDiscovery: true },
})
await server.listen()
const browser = await chromium.launch({ executablePath, args: chromiumArguments })
try {
  const page = await browser.newPage()
  const base = server.resolvedUrls?.local[0]
  await page.goto(`${base}bench/page/index.html?provider=${provider}&kind=${kind}`)
  await page.waitForFunction(() => 'measured' in globalThis, undefined, { timeout: 60_000 })
  const { samples, answer } = await page.evaluate(
    () => (globalThis as unknown as { measured: Promise<{ samples: number[]; answer: number[] }> }).measured,
  )
  console.log(JSON.stringify({ unit: 'ms', samples, answer }))
} finally {
  await browser.close()
  await server.close()
}
