/**
 * Requests that keep a scoring server busy:
 * `node bench/variants/server-load.ts <selvedge|bare|bare-1> <model> <binary|json> <connections> <time|p99>`.
 *
 * `bare` runs ONNX Runtime in its handler with the threads that it takes by default, `bare-1` with one. Samples are the
 * milliseconds in which 1,000 requests are answered, or the 99th percentile of one request.
 */
import { availableParallelism } from 'node:os'
import { encodeInferRequest } from '../../runtime/oip/infer.ts'
import { createTensor, elementCount } from '../../runtime/tensor.ts'
import { modelNamed, startScoring } from '../node/scoring.ts'
import { startBare } from '../node/servers.ts'
import { keepBusy } from '../node/wrk.ts'
import { models } from '../workloads/models.ts'
import { makeNumbers } from '../workloads/numbers.ts'

const warmUpSeconds = 2
const samplesTaken = 5
const secondsOfSample = 2

const [kind, modelName, form, connections, figure] = process.argv.slice(2)
const name = modelNamed(modelName)
const model = models[name]
const values = makeNumbers(5, elementCount(model.shape), 1)
const input = createTensor('FP32', model.shape, values)

const running = await (kind === 'selvedge'
  ? startScoring(name, availableParallelism())
  : startBare(new URL('../node/bare-scoring.ts', import.meta.url), name, ...(kind === 'bare-1' ? ['1'] : [])))
try {
  const load = {
    ...(form === 'json' ? jsonRequest() : binaryRequest()),
    url: `${running.url}/v2/models/e/infer`,
    connections: Number(connections),
  }
  const answer = await answerTo(load.url)
  await keepBusy(load, warmUpSeconds)
  const samples: number[] = []
  for (let i = 0; i < samplesTaken; i++) {
    const { requestsPerSecond, p99Ms } = await keepBusy(load, secondsOfSample)
    samples.push(figure === 'p99' ? p99Ms : 1_000_000 / requestsPerSecond)
  }
  console.log(JSON.stringify({ unit: 'ms', samples, answer }))
} finally {
  await running.close()
}

function binaryRequest() {
  const { body, headerLength } = encodeInferRequest({ [model.input]: input })
  return { body, headers: { 'inference-header-content-length': String(headerLength) } }
}

// A float32 needs no more than 9 digits.
function jsonRequest() {
  const data = Array.from(values, (value) => Number(value.toPrecision(9)))
  const message = { inputs: [{ name: model.input, datatype: 'FP32', shape: model.shape, data }] }
  return { body: new TextEncoder().encode(JSON.stringify(message)), headers: { 'content-type': 'application/json' } }
}

async function answerTo(url: string): Promise<number[]> {
  const { body, headers } = jsonRequest()
  const answer = await fetch(url, { method: 'POST', headers, body })
  if (!answer.ok) throw new Error(await answer.text())
  const { outputs } = (await answer.json()) as { outputs: { name: string; data: number[] }[] }
  return outputs.find((each) => each.name === model.output)?.data.slice(0, 1000) ?? []
}
