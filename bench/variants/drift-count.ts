/**
 * Milliseconds for a million values, which is nanoseconds a value: `node bench/variants/drift-count.ts <node|page>
 * <bare|selvedge>`. Ours is measured in turn with the bare loop.
 */
import { withStand } from '../chromium/stand.ts'
import { sampleCounting } from '../workloads/counting.ts'

const [place, kind] = process.argv.slice(2)
if (kind !== 'bare' && kind !== 'selvedge') throw new Error(`got ${kind}, want bare or selvedge`)
if (place === 'page') {
  await withStand({ hasGpu: false }, async ({ visit }) => ({ unit: 'ms', ...(await visit({ task: 'count', kind })) }))
} else console.log(JSON.stringify({ unit: 'ms', ...(await sampleCounting(kind)) }))
