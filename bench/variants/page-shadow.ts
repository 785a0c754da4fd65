/**
 * The 95th percentile of requests at random times, on WASM: `node bench/variants/page-shadow.ts <model> <alone|shadowed>`.
 * Those that are shadowed are taken in turn with those that are not.
 */
import { withStand } from '../chromium/stand.ts'
import { isModel } from '../workloads/models.ts'

const [model, way] = process.argv.slice(2)
if (!isModel(model) || (way !== 'alone' && way !== 'shadowed')) throw new Error(`got ${model}, ${way}`)
await withStand({ model, hasGpu: false }, async ({ subject, shadowed, shadows, visit }) => {
  const alone = subject('selvedge', 'wasm')
  if (way === 'alone') return { unit: 'ms', ...(await visit({ task: 'paced', subject: alone })) }
  const measured = await visit({ task: 'paced', subject: shadowed('wasm'), beside: alone })
  const compared = await shadows()
  if (compared === 0) throw new Error('no request was shadowed')
  console.error(`${compared} requests were shadowed`)
  return { unit: 'ms', ...measured }
})
