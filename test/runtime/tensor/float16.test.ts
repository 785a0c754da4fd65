import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeFloat16, encodeFloat16 } from '../../../runtime/tensor/float16.ts'

// Node 24 has Float16Array; the types of ES2024 do not name it yet.
const Float16 = (
  globalThis as unknown as {
    Float16Array: new (values: ArrayLike<number>) => ArrayLike<number> & { buffer: ArrayBuffer }
  }
).Float16Array

function bitsOf(value: number): number {
  return new Uint16Array(new Float16([value]).buffer)[0] ?? 0
}

describe('FP16', () => {
  test('every one of its 65,536 values reads as Float16Array reads it and encodes to itself', () => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i)
    const expected = new (Float16 as unknown as new (buffer: ArrayBuffer) => ArrayLike<number>)(bits.buffer)
    for (let i = 0; i < bits.length; i++) {
      const value = decodeFloat16(i)
      expect(Object.is(value, expected[i])).toBe(true)
      if (!Number.isNaN(value)) expect(encodeFloat16(value)).toBe(i)
    }
  })

  test('any double rounds once, ties to even, as Float16Array rounds it', () => {
    const number = fc.oneof(
      fc.double({ noNaN: true }),
      fc.double({ min: -70_000, max: 70_000, noNaN: true }),
      fc.double({ min: -1e-4, max: 1e-4, noNaN: true }),
    )
    fc.assert(
      fc.property(number, (value) => encodeFloat16(value) === bitsOf(value)),
      { numRuns: 20_000 },
    )
  })

  test('a number just above a tie is not rounded twice', () => {
    // In float32 this would first become the tie 1 + 2^-11 and then round down to 1.
    expect(decodeFloat16(encodeFloat16(1 + 2 ** -11 + 2 ** -30))).toBe(1 + 2 ** -10)
    expect(encodeFloat16(65_519.99)).toBe(0x7bff)
    expect(encodeFloat16(65_520)).toBe(0x7c00)
  })
})
