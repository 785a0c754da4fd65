/**
 * Runs on WASM in Node with `session.disable_prepacking`, in turn with runs without it:
 * `node bench/variants/unpacked-weights.ts <model>`.
 */
import * as ort from 'onnxruntime-web'
import { elementCount } from '../../runtime/tensor/tensor.ts'
import { isModel, models } from '../workloads/models.ts'
import { makeNumbers } from '../workloads/numbers.ts'
import { sampleInTurn } from '../workloads/sampling.ts'

const [model] = process.argv.slice(2)
if (!isModel(model)) throw new Error(`got ${model}`)
const { input, output, shape, read } = models[model]
const network = read()
ort.env.wasm.numThreads = 1
const unpacked = await open({ disable_prepacking: '1' })
const packed = await open({})
const [samples = [], beside = []] = await sampleInTurn([unpacked, packed])
console.log(JSON.stringify({ unit: 'ms', samples, beside, answer: Array.from(await unpacked()) }))

async function open(session: Record<string, string>): Promise<() => Promise<Float32Array>> {
  const opened = await ort.InferenceSession.create(network, { executionProviders: ['wasm'], extra: { session } })
  const data = makeNumbers(5, elementCount(shape), 1)
  return async () => {
    const outputs = await opened.run({ [input]: new ort.Tensor('float32', data, shape) })
    return outputs[output]?.data as Float32Array
  }
}
