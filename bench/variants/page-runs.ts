/** Runs in a fresh Chromium: `node bench/variants/page-runs.ts <model> <wasm|webgpu> <bare|selvedge|inside>`. */
import { withStand } from '../chromium/stand.ts'
import { isModel } from '../workloads/models.ts'

const [model, provider, way] = process.argv.slice(2)
if (!isModel(model) || (provider !== 'wasm' && provider !== 'webgpu')) throw new Error(`got ${model} on ${provider}`)
await withStand({ model, hasGpu: true }, async ({ subject, visit }) => {
  const kind = way === 'selvedge' ? 'selvedge' : 'bare'
  const measured = await visit({ task: 'runs', subject: subject(kind, provider), inside: way === 'inside' })
  return { unit: 'ms', ...measured }
})
