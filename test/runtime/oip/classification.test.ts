import { describe, expect, test } from 'vitest'
import { classify } from '../../../runtime/oip/classification.ts'
import { encodeFloat16 } from '../../../runtime/tensor/float16.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'

const scores = createTensor('FP32', [2, 3], Float32Array.of(0.25, 0.5, 0.125, 1, 3, 2))

describe('classification', () => {
  test('the largest of each row come first, with index and label', () => {
    expect(classify(scores, 2, ['cat', 'dog', 'owl'])).toEqual(
      createTensor('BYTES', [2, 2], ['0.500000:1:dog', '0.250000:0:cat', '3.000000:1:dog', '2.000000:2:owl']),
    )
  })

  test('without labels the index is all; more than a row has are cut to it', () => {
    expect(classify(createTensor('INT64', [3], BigInt64Array.of(3n, 9n, 5n)), 7, undefined)).toEqual(
      createTensor('BYTES', [3], ['9:1', '5:2', '3:0']),
    )
  })

  test('integers of 64 bits are compared and written whole', () => {
    const tensor = createTensor('UINT64', [3], BigUint64Array.of(2n ** 63n, 2n ** 63n + 2n, 2n ** 63n + 1n))
    expect(classify(tensor, 2, undefined)).toEqual(
      createTensor('BYTES', [2], ['9223372036854775810:1', '9223372036854775809:2']),
    )
  })

  test('what is no number goes behind the numbers', () => {
    const tensor = createTensor('FP32', [4], Float32Array.of(Number.NaN, -1, Infinity, 2))
    expect(classify(tensor, 4, undefined)).toEqual(
      createTensor('BYTES', [4], ['Infinity:2', '2.000000:3', '-1.000000:1', 'NaN:0']),
    )
  })

  test('half floats are read as numbers', () => {
    const half = createTensor('FP16', [1, 2], Uint16Array.of(encodeFloat16(0.5), encodeFloat16(1.5)))
    expect(classify(half, 1, undefined)).toEqual(createTensor('BYTES', [1, 1], ['1.500000:1']))
  })

  test('texts are refused', () => {
    expect(() => classify(createTensor('BYTES', [1], ['a']), 1, undefined)).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST' }),
    )
  })
})
