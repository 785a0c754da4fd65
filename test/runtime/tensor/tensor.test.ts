import { describe, expect, test } from 'vitest'
import { createTensor, elementCount } from '../../../runtime/tensor/tensor.ts'

describe('tensor', () => {
  test('a scalar has one element, and any axis of 0 leaves none', () => {
    expect(elementCount([])).toBe(1)
    expect(elementCount([3, 0, 5])).toBe(0)
  })

  test.each([
    [[-5]],
    [[1.5]],
    [[Number.NaN]],
    [[-0]],
    [[1e30]],
    [[2 ** 53]],
    [[2 ** 27, 2 ** 27]],
    [Array(300).fill(1)],
  ])('SC-02: shape %j is refused', (shape) => {
    expect(() => elementCount(shape)).toThrow(expect.objectContaining({ code: 'TENSOR_INVALID' }))
  })

  test('SC-03: data shorter or longer than the shape is refused with both sizes', () => {
    for (const length of [5, 7]) {
      expect(() => createTensor('FP32', [2, 3], new Float32Array(length))).toThrow(
        `shape [2,3] wants 6 elements, got ${length}`,
      )
    }
  })
})
