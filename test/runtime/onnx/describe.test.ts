import { describe, expect, test } from 'vitest'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { describeModel } from '../../../runtime/onnx/describe.ts'
import { encode } from '../../../runtime/onnx/encoder.ts'
import { grammar } from '../../../runtime/onnx/grammar.ts'

const float = { tensor: { datatype: 1, shape: { dimensions: [{ symbol: 'N' }, { size: 8 }] } } }

function model(graph: Record<string, unknown>): Uint8Array {
  return encode(grammar, 'model', {
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    graph: { inputs: [{ name: 'x', type: float }], outputs: [{ name: 'y', type: float }], ...graph },
  })
}

describe('a description from the model alone', () => {
  test('has its inputs and outputs and one variant for every provider', () => {
    expect(describeModel(model({}), 'net/model.onnx')).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 8] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: ['N', 8] }],
      variants: [{ id: 'fp32', file: 'net/model.onnx', providers: ['webgpu', 'wasm', 'cpu', 'cuda'] }],
    })
  })

  test('keeps scalars, unnamed dimensions and an open rank apart', () => {
    const inputs = [
      { name: 'sr', type: { tensor: { datatype: 7, shape: { dimensions: [] } } } },
      { name: 'state', type: { tensor: { datatype: 1, shape: { dimensions: [{}, { size: 2 }, { size: -1 }] } } } },
      { name: 'free', type: { tensor: { datatype: 8 } } },
    ]
    expect(describeModel(model({ inputs }), 'model.onnx').inputs).toEqual([
      { name: 'sr', datatype: 'INT64', shape: [] },
      { name: 'state', datatype: 'FP32', shape: [-1, 2, -1] },
      { name: 'free', datatype: 'BYTES' },
    ])
  })

  test.each([
    ['float16', 10, 2, 'fp16'],
    ['int8', 3, 1, 'int8'],
    ['uint8', 2, 1, 'int8'],
    ['float', 1, 4, 'fp32'],
    ['int64', 7, 8, 'fp32'],
  ])('names the variant by the datatype of most weights: %s', (_, dataType, bytes, id) => {
    const raw = new Uint8Array(bytes * 100)
    const initializers = [
      { name: 'w', dims: [100], dataType, raw },
      { name: 'b', dims: [1], dataType: 1, raw: new Uint8Array(4) },
    ]
    expect(describeModel(model({ initializers }), 'model.onnx').variants[0]?.id).toBe(id)
  })

  test.each([
    [
      'a sequence of maps',
      { sequence: { type: { map: { key: 7, type: { tensor: { datatype: 1 } } } } } },
      'output "y" is seq(map(int64,tensor(float))): export it as a tensor (scikit-learn: zipmap=False)',
    ],
    [
      'bfloat16',
      { tensor: { datatype: 16 } },
      'output "y" is tensor(bfloat16): cast it to one of the 13 datatypes of the Open Inference Protocol inside the model',
    ],
  ])('refuses an output that is %s and says what to do', (_, type, message) => {
    const describing = (): unknown => describeModel(model({ outputs: [{ name: 'y', type }] }), 'model.onnx')
    expect(describing).toThrow(new SelvedgeError('NOT_SCORABLE', message, { output: 'y' }))
  })

  test('refuses a model without inputs', () => {
    expect(() => describeModel(model({ inputs: [] }), 'model.onnx')).toThrow(
      expect.objectContaining({ code: 'NOT_SCORABLE' }),
    )
  })
})
