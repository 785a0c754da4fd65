/**
 * Loads one network in ONNX Runtime's WebAssembly build and runs it once; in a process of its own, since what it is given
 * may be made to hang or to crash it.
 */
import { encodeError, SelvedgeError } from '../../runtime/errors.ts'
import { openNodeSession } from '../../runtime/providers/node.ts'
import { checkGolden, zeroInputs } from '../../runtime/scoring/golden.ts'
import { openQueue } from '../../runtime/scoring/queue.ts'
import type { ModelBytes } from '../../runtime/scoring/session.ts'
import { type ProbeReport, type ProbeRequest, probeRequest, started } from './report.ts'

const newline = 10

process.stdout.write(`${started}\n`)

// ONNX Runtime prints to the console, so to stdout, which carries two lines.
for (const method of ['log', 'info', 'warn', 'error'] as const) console[method] = () => undefined

const report: ProbeReport = {}
try {
  const { request, bytes } = await readInput()
  await tryOut(request, bytes)
} catch (thrown) {
  const { code, message } = encodeError(thrown)
  report.refused = { code, message }
}
process.stdout.write(`${JSON.stringify(report)}\n`)

async function tryOut({ description, golden }: ProbeRequest, bytes: ModelBytes): Promise<void> {
  const session = await openNodeSession(bytes, 'wasm')
  const queue = openQueue()
  if (golden !== undefined) return await checkGolden(session, golden, queue)
  const inputs = zeroInputs(description)
  if (inputs === undefined) return
  try {
    await session.run(inputs)
  } catch (error) {
    // Zeros may be no input that the network takes; only golden samples are.
    if (!(error instanceof SelvedgeError && error.code === 'RUN_FAILED')) throw error
  }
}

async function readInput(): Promise<{ request: ProbeRequest; bytes: ModelBytes }> {
  const parts: Uint8Array[] = []
  for await (const part of process.stdin) parts.push(part)
  const all = Buffer.concat(parts)
  const end = all.indexOf(newline)
  const request = probeRequest.parse(JSON.parse(all.toString('utf8', 0, end)))
  let at = end + 1
  const files = request.files.map(({ path, size }) => {
    const data = all.subarray(at, at + size)
    at += size
    return { path, data }
  })
  const [network, ...externalData] = files
  if (network === undefined) throw new SelvedgeError('MODEL_INVALID', 'the probe was given no network')
  return { request, bytes: { network: network.data, externalData } }
}
