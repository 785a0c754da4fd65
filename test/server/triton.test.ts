import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Golden } from '../../runtime/contract/golden.ts'
import { decodeInferResponse, encodeInferRequest } from '../../runtime/oip/infer.ts'
import { describeModel } from '../../runtime/onnx/describe.ts'
import { createTensor, type Tensor, type Tensors } from '../../runtime/tensor/tensor.ts'
import { openScorers, type Scorers } from '../../server/scorers.ts'
import { planOf } from './fixtures/served.ts'

const models = fileURLToPath(new URL('../../../shared/models/triton/', import.meta.url))
const texts = (text: string) => ({ datatype: 'BYTES' as const, shape: [1, 16], data: new Array<string>(16).fill(text) })
const golden: Golden = {
  samples: [
    {
      inputs: ['INPUT0', 'INPUT1'].map((name) => ({ name, ...texts('2') })),
      outputs: [
        { name: 'OUTPUT0', ...texts('4') },
        { name: 'OUTPUT1', ...texts('0') },
      ],
    },
  ],
  tolerance: 1e-6,
}
const encoder = new TextEncoder()

// Each gives sum and difference of two rows of 16: as INT32, as INT8, and as the digits of numbers in BYTES.
describe.skipIf(!existsSync(models))("the models of Triton's client examples", { timeout: 30_000 }, () => {
  let scorers: Scorers

  beforeAll(async () => {
    scorers = await openScorers({ count: 1, standby: false, post: async () => undefined, log: () => undefined })
    for (const name of ['simple', 'simple_int8', 'simple_string']) {
      const network = readFileSync(`${models}${name}/model.onnx`)
      const { plan, loaded } = planOf(name, 1, { network, description: describeModel(network, 'model.onnx') })
      // Zeros, which a host runs first where there is no golden sample, are empty texts: no digits.
      await scorers.serve(plan, async () => [name === 'simple_string' ? { ...loaded, golden } : loaded])
    }
  })

  afterAll(() => scorers.close())

  const row = Array.from({ length: 16 }, (_, i) => i)
  const tensor: Record<string, (values: number[]) => Tensor> = {
    simple: (values) => createTensor('INT32', [1, 16], Int32Array.from(values)),
    simple_int8: (values) => createTensor('INT8', [1, 16], Int8Array.from(values)),
    simple_string: (values) => createTensor('BYTES', [1, 16], values.map(String)),
  }

  test.each(['simple', 'simple_int8', 'simple_string'])(
    '%s answers the same in JSON and in binary form',
    async (endpoint) => {
      const of = tensor[endpoint] ?? tensor.simple
      if (of === undefined) throw new Error('no tensor')
      const ones = row.map(() => 1)
      const inputs: Tensors = { INPUT0: of(row), INPUT1: of(ones) }
      const expected: Tensors = { OUTPUT0: of(row.map((i) => i + 1)), OUTPUT1: of(row.map((i) => i - 1)) }

      const { body, headerLength } = encodeInferRequest(inputs)
      const binary = await scorers.ask('infer', { endpoint, headerLength }, [body])
      const length = Number(binary.headers['inference-header-content-length'])
      expect(decodeInferResponse(binary.body, length).outputs).toEqual(expected)

      const message = {
        inputs: Object.entries(inputs).map(([name, { datatype, shape, data }]) => ({
          name,
          datatype,
          shape,
          data: Array.from<number | bigint | string>(data),
        })),
      }
      const json = await scorers.ask('infer', { endpoint }, [encoder.encode(JSON.stringify(message))])
      expect(decodeInferResponse(json.body, undefined).outputs).toEqual(expected)
    },
  )
})
