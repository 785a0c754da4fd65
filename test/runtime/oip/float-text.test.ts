import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { floatTextBytes, writeFloat32 } from '../../../runtime/oip/float-text.ts'

function textOf(value: number): string {
  const into = new Uint8Array(floatTextBytes)
  return new TextDecoder().decode(into.subarray(0, writeFloat32(value, into, 0)))
}

describe('float32 as JSON text', () => {
  test.each([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-17, '-17'],
    [0.5, '0.5'],
    [-12.25, '-12.25'],
    [999_999_936, '999999936'],
    [1e9, '1e9'],
    [2 ** -5, '0.03125'],
    [Math.fround(0.1), '0.100000001'],
    [Math.fround(1e-5), '9.99999975e-6'],
    [Math.fround(2e-5), '0.0000199999995'],
    [Math.fround(1e-7), '1.00000001e-7'],
    [Math.fround(3.4028234663852886e38), '3.40282347e38'],
    [2 ** -149, '1.40129846e-45'],
    [Number.NaN, '"NaN"'],
    [Number.POSITIVE_INFINITY, '"Infinity"'],
    [Number.NEGATIVE_INFINITY, '"-Infinity"'],
  ])('%d is written as %s', (value, text) => {
    expect(textOf(value)).toBe(text)
  })

  test('every float32 reads back as itself, in at most 16 bytes and as JSON', () => {
    const bits = new Uint32Array(1)
    const value = new Float32Array(bits.buffer)
    const anyFloat = fc.integer({ min: 0, max: 0xffffffff })
    fc.assert(
      fc.property(anyFloat, (pattern) => {
        bits[0] = pattern
        const number = value[0] ?? 0
        if (!Number.isFinite(number)) return true
        const text = textOf(number)
        return text.length <= floatTextBytes && Object.is(Math.fround(JSON.parse(text)), number)
      }),
      { numRuns: 200_000 },
    )
  })
})
