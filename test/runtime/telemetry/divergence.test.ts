import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Description } from '../../../runtime/contract/description.ts'
import { divergences } from '../../../runtime/telemetry/divergence.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'

const description: Description = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 2] }],
  outputs: [{ name: 'p', datatype: 'FP32', shape: ['N', 2] }],
  output: { kind: 'classification', tensor: 'p', activation: 'none', classes: ['low', 'high'] },
  variants: [{ id: 'fp32', file: 'model.onnx', providers: ['wasm'] }],
}

const side = (...numbers: number[]) => ({
  description,
  outputs: { p: createTensor('FP32', [numbers.length / 2, 2], Float32Array.from(numbers)) },
})

describe('how far two answers are apart', () => {
  test('is told by row: the largest difference, and whether the class is another', () => {
    expect(divergences(side(0.75, 0.25, 0.5, 0.5), side(0.25, 0.75, 0.5, 0.25), 2)).toEqual([
      { difference: 0.5, flipped: true },
      { difference: 0.25, flipped: false },
    ])
  })

  test('is nothing for the same answer, and the same from both sides', () => {
    const numbers = fc.array(fc.tuple(fc.float(), fc.float()), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(numbers, numbers, (one, other) => {
        const rows = Math.min(one.length, other.length)
        const [a, b] = [one, other].map((each) => side(...each.slice(0, rows).flat()))
        if (a === undefined || b === undefined) return
        expect(divergences(a, a, rows).every(({ difference, flipped }) => difference === 0 && !flipped)).toBe(true)
        expect(divergences(a, b, rows)).toEqual(divergences(b, a, rows))
      }),
    )
  })

  test.each([
    ['one number that is none', side(0.5, Number.NaN), side(0.5, 0.5)],
    ['other shapes', side(0.5, 0.5), side(0.5, 0.5, 0.5, 0.5)],
  ])('is no number for %s', (_, one, other) => {
    expect(divergences(one, other, 1)[0]?.difference).toBeNaN()
  })
})
