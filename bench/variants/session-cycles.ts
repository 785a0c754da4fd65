/**
 * Sessions that are opened, run with a batch of a random size and closed: resident memory after a thousand of them over
 * that after a hundred, `node bench/variants/session-cycles.ts <bare|selvedge>`.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { openNodeSession } from '../../runtime/providers/node.ts'
import { createTensor } from '../../runtime/tensor/tensor.ts'
import { inputName, makeNetwork, outputName } from '../workloads/network.ts'
import { makeNumbers } from '../workloads/numbers.ts'

const warmUpCycles = 100
const allCycles = 1000
const rowLength = 28 * 28

const kind = process.argv[2]
const network = makeNetwork()
// Rows of each batch, the same on both sides.
const sizes = makeNumbers(11, allCycles, 1).map((number) => 1 + Math.floor(Math.abs(number) * 15))
let answer: number[] = []
let warmBytes = 0
for (const [i, rows] of sizes.entries()) {
  const shape = [rows, 1, 28, 28]
  const values = makeNumbers(5, rows * rowLength, 1)
  answer = await (kind === 'bare' ? runBare(shape, values) : runOurs(shape, values))
  if (i + 1 === warmUpCycles) warmBytes = process.memoryUsage().rss
}
console.log(JSON.stringify({ unit: 'times', samples: [process.memoryUsage().rss / warmBytes], answer }))

async function runBare(shape: number[], values: Float32Array): Promise<number[]> {
  const session = await InferenceSession.create(network, { intraOpNumThreads: 1, logSeverityLevel: 4 })
  const outputs = await session.run({ [inputName]: new Tensor('float32', values, shape) })
  await session.release()
  return Array.from(outputs[outputName]?.data as Float32Array).slice(0, 10)
}

async function runOurs(shape: number[], values: Float32Array<ArrayBuffer>): Promise<number[]> {
  const session = await openNodeSession({ network, externalData: [] }, 'cpu', {})
  const { [outputName]: output } = await session.run({ [inputName]: createTensor('FP32', shape, values) })
  await session.close()
  return Array.from(output?.data as Float32Array).slice(0, 10)
}
