/**
 * Memory of the page's processes after many loads of one model over that after the first ones:
 * `node bench/variants/page-memory.ts <bare|selvedge> <loads>`.
 */
import { memoryOf, renderers } from '../chromium/memory.ts'
import { withStand } from '../chromium/stand.ts'

const warmUpLoads = 10

const [kind, loads] = process.argv.slice(2)
if (kind !== 'bare' && kind !== 'selvedge') throw new Error(`got ${kind}, want bare or selvedge`)
await withStand({ model: 'small', hasGpu: false }, async ({ subject, visit }) => {
  const task = { task: 'loads', subject: subject(kind, 'wasm') } as const
  let growth = Number.NaN
  const { answer } = await visit({ ...task, count: warmUpLoads }, async (page, warmedUp) => {
    await warmedUp
    const session = await page.context().newCDPSession(page)
    const settledBytes = async () => {
      await session.send('HeapProfiler.collectGarbage')
      return memoryOf(renderers())
    }
    const before = await settledBytes()
    await page.evaluate(`measure(${JSON.stringify({ ...task, count: Number(loads) })})`)
    growth = (await settledBytes()) / before
  })
  return { unit: 'times', samples: [growth], answer }
})
