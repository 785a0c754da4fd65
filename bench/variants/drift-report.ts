/** Bytes of a report of 50 features: `node bench/variants/drift-report.ts <rows> <json|gzip>`. */
import { gzipSync } from 'node:zlib'
import { openTally, type Source } from '../../runtime/telemetry/tally.ts'
import { makeSpec, openRows } from '../workloads/counting.ts'

const [count, form] = process.argv.slice(2)
const source: Source = {
  deployment: 'blue',
  version: 1,
  variant: 'fp32',
  provider: 'wasm',
  spec: { digest: `sha256:${'a'.repeat(64)}`, document: makeSpec() },
}
const tally = openTally('desktop')
for (const row of openRows(3)(Number(count))) tally.answered(source, [{ features: row, outputs: {} }], 3)
const { window, profiles } = tally.current()
const head = { sender: tally.sender, seq: 1, window, endpoint: 'housing', revision: 1_764_000_000_123 }
const body = JSON.stringify({ ...head, profiles, exposures: [], outcomes: [] })
const bytes = form === 'gzip' ? gzipSync(body).length : Buffer.byteLength(body)
console.log(JSON.stringify({ unit: 'bytes', samples: [bytes], answer: profiles[0]?.rows === Number(count) }))
