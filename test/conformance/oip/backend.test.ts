/** ONNX's backend models through the protocol: their inputs as a request in JSON and in binary form, and the answers. */
import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { decodeInferResponse, encodeInferRequest } from '../../../runtime/oip/infer.ts'
import { describeModel } from '../../../runtime/onnx/describe.ts'
import { openNodeSession } from '../../../runtime/providers/node.ts'
import { openQueue } from '../../../runtime/queue.ts'
import { openScorer } from '../../../runtime/scorer.ts'
import type { Tensors } from '../../../runtime/tensor.ts'
import { answerInfer } from '../../../server/scorer/answer.ts'
import { planOf } from '../../server/fixtures/served.ts'
import { differences, readCase } from '../onnx/compare.ts'
import { unsupported } from '../onnx/unsupported.ts'

const folder = fileURLToPath(new URL('../../../../shared/models/onnx-backend', import.meta.url))
const names = existsSync(folder) ? readdirSync(folder) : []

// The others are of opset 6, or change case by a locale of the system, which `wasm` does without.
const carried = names.filter((name) => unsupported[name] === undefined)

describe.skipIf(names.length === 0)('ONNX backend models over the Open Inference Protocol', () => {
  test.each(carried)('%s in JSON and in binary form', async (name) => {
    const { network, inputs, expected } = await readCase((path) => readFile(join(folder, name, path)))
    const queue = openQueue()
    const scorer = openScorer({
      openSession: openNodeSession,
      providers: ['wasm'],
      device: 'server',
      queueOf: () => queue,
    })
    const { plan, loaded } = planOf('m', 1, { network, description: describeModel(network, 'model.onnx') })
    await scorer.serve(plan, [loaded])
    const ask = async (body: Uint8Array, headerLength?: number) => {
      const { body: answer, headers } = await answerInfer(scorer, { endpoint: 'm', headerLength }, body, never)
      const length = headers['inference-header-content-length']
      return decodeInferResponse(answer, length === undefined ? undefined : Number(length)).outputs
    }
    const { body, headerLength } = encodeInferRequest(inputs)
    expect(differences(await ask(body, headerLength), expected)).toEqual([])
    expect(differences(await ask(jsonOf(inputs)), expected)).toEqual([])
    await scorer.close()
  })
})

const never = new AbortController().signal

function jsonOf(inputs: Tensors): Uint8Array {
  const messages = Object.entries(inputs).map(([name, { datatype, shape, data }]) => {
    const values = Array.from<unknown>(data)
    return { name, datatype, shape, data: datatype === 'BOOL' ? values.map(Boolean) : values }
  })
  const text = JSON.stringify({ inputs: messages }, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  return new TextEncoder().encode(text)
}
