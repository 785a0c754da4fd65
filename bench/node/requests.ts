/** One request to a model of the workloads, in the forms of the Open Inference Protocol. */
import { encodeInferRequest } from '../../runtime/oip/infer.ts'
import { createTensor, elementCount } from '../../runtime/tensor/tensor.ts'
import { type ModelName, models } from '../workloads/models.ts'
import { makeNumbers } from '../workloads/numbers.ts'

export function binaryRequest(name: ModelName) {
  const { input, shape } = models[name]
  const { body, headerLength } = encodeInferRequest({ [input]: createTensor('FP32', shape, valuesOf(name)) })
  return { body, headers: { 'inference-header-content-length': String(headerLength) } }
}

// A float32 needs no more than 9 digits.
export function jsonRequest(name: ModelName) {
  const { input, shape } = models[name]
  const data = Array.from(valuesOf(name), (value) => Number(value.toPrecision(9)))
  const text = JSON.stringify({ inputs: [{ name: input, datatype: 'FP32', shape, data }] })
  return { text, body: new TextEncoder().encode(text), headers: { 'content-type': 'application/json' } }
}

/** The first numbers of the output. */
export async function answerTo(url: string, name: ModelName): Promise<number[]> {
  const { body, headers } = jsonRequest(name)
  const answer = await fetch(url, { method: 'POST', headers, body })
  if (!answer.ok) throw new Error(await answer.text())
  const { outputs } = (await answer.json()) as { outputs: { name: string; data: number[] }[] }
  return outputs.find((each) => each.name === models[name].output)?.data.slice(0, 1000) ?? []
}

function valuesOf(name: ModelName): Float32Array<ArrayBuffer> {
  return makeNumbers(5, elementCount(models[name].shape), 1)
}
