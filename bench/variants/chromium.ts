/** One session in a fresh Chromium, bare or ours: `node bench/variants/chromium.ts <wasm|webgpu> <bare|selvedge>`. */
import { withStand } from '../chromium/stand.ts'

const [provider, kind] = process.argv.slice(2)
if (provider !== 'wasm' && provider !== 'webgpu') throw new Error(`got ${provider}, want wasm or webgpu`)
if (kind !== 'bare' && kind !== 'selvedge') throw new Error(`got ${kind}, want bare or selvedge`)
await withStand({ hasGpu: true }, async ({ visit }) => ({
  unit: 'ms',
  ...(await visit({ task: 'session', kind, provider })),
}))
