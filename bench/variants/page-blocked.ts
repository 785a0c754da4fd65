/** The page's own thread on a first visit, and in 100 runs: `node bench/variants/page-blocked.ts <model> <bare|selvedge>`. */
import { withStand } from '../chromium/stand.ts'
import { isModel } from '../workloads/models.ts'

const runs = 100

const [model, kind] = process.argv.slice(2)
if (!isModel(model) || (kind !== 'bare' && kind !== 'selvedge')) throw new Error(`got ${model}, ${kind}`)
await withStand({ model, hasGpu: false }, async ({ subject, visit }) => {
  const measured = await visit({ task: 'blocked', subject: subject(kind, 'wasm'), runs })
  return { unit: 'ms', ...measured }
})
