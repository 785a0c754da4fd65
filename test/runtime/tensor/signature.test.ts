import { describe, expect, test } from 'vitest'
import { type Description, description } from '../../../runtime/contract/description.ts'
import type { ErrorCode } from '../../../runtime/errors.ts'
import { checkInputs } from '../../../runtime/tensor/signature.ts'
import { createTensor, type Tensors } from '../../../runtime/tensor/tensor.ts'

function describing(inputs: Description['inputs']): Description {
  return description.parse({
    inputs,
    outputs: [{ name: 'y', datatype: 'FP32' }],
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu'] }],
  })
}

const floats = (...shape: number[]) =>
  createTensor('FP32', shape, new Float32Array(shape.reduce((product, size) => product * size, 1)))

function refusal(of: Description, inputs: Tensors): { code: ErrorCode; message: string } | undefined {
  try {
    checkInputs(of, inputs)
  } catch (error) {
    const { code, message } = error as { code: ErrorCode; message: string }
    return { code, message }
  }
}

describe('inputs are taken', () => {
  test('with any size for a symbol, a free size for -1 and a scalar for no axes', () => {
    const model = describing([
      { name: 'x', datatype: 'FP32', shape: ['N', 2] },
      { name: 'state', datatype: 'FP32', shape: [2, -1, 1] },
      { name: 'rate', datatype: 'INT64', shape: [] },
      { name: 'anything', datatype: 'FP32' },
    ])
    const rate = createTensor('INT64', [], BigInt64Array.of(16_000n))
    expect(refusal(model, { x: floats(5, 2), state: floats(2, 9, 1), rate, anything: floats(1, 1, 1) })).toBeUndefined()
    expect(refusal(model, { x: floats(0, 2), state: floats(2, 0, 1), rate, anything: floats() })).toBeUndefined()
  })

  test('where a symbol has one size in all inputs', () => {
    const model = describing([
      { name: 'a', datatype: 'FP32', shape: ['N', 1] },
      { name: 'b', datatype: 'FP32', shape: [3, 'N'] },
    ])
    expect(refusal(model, { a: floats(4, 1), b: floats(3, 4) })).toBeUndefined()
    expect(refusal(model, { a: floats(4, 1), b: floats(3, 5) })).toEqual({
      code: 'SHAPE_MISMATCH',
      message: 'input "b": got [3,5], want [3,N], where N is 4 in input "a"',
    })
  })
})

describe('inputs are refused', () => {
  const model = describing([{ name: 'image', datatype: 'FP32', shape: ['N', 1, 2, 2] }])

  test.each<[string, Tensors, ErrorCode, string]>([
    [
      'with an unknown name',
      { image: floats(1, 1, 2, 2), img: floats(1) },
      'INPUT_UNKNOWN',
      'no input "img"; the inputs are "image"',
    ],
    [
      'with a name that every object has',
      { constructor: floats(1) } as Tensors,
      'INPUT_UNKNOWN',
      'no input "constructor"; the inputs are "image"',
    ],
    ['with none', {}, 'INPUT_MISSING', 'input "image" is missing'],
    [
      'of another datatype',
      { image: createTensor('FP64', [1, 1, 2, 2], new Float64Array(4)) },
      'DATATYPE_MISMATCH',
      'input "image": got FP64, want FP32',
    ],
    ['of another rank', { image: floats(1, 4) }, 'SHAPE_MISMATCH', 'input "image": got [1,4], want [N,1,2,2]'],
    [
      'of another size',
      { image: floats(1, 3, 2, 2) },
      'SHAPE_MISMATCH',
      'input "image": got [1,3,2,2], want [N,1,2,2]',
    ],
  ])('%s', (_, inputs, code, message) => {
    expect(refusal(model, inputs)).toEqual({ code, message })
  })
})
