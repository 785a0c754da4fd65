/**
 * Float32 numbers as JSON text. Nine significant digits are enough to read the same float32 back (IEEE 754, table 5.2:
 * 1 + ceil(24 * log10(2))), so the one rounding in a double, which may be off by 1e-7 of the ninth digit, does no harm.
 */

/** The most bytes that {@link writeFloat32} writes: `-0.0000123456789`. */
export const floatTextBytes = 16

/**
 * Writes a float32 as a JSON number; NaN and the infinities as the strings of the Open Inference Protocol.
 *
 * @returns the place after the last byte written
 */
export function writeFloat32(value: number, into: Uint8Array, start: number): number {
  let at = start
  if (!Number.isFinite(value)) return writeAscii(`"${value}"`, into, at)
  if (value < 0 || Object.is(value, -0)) into[at++] = minus
  const size = Math.abs(value)
  if (size < 1e9 && size === Math.floor(size)) return writeDigits(size, digitCount(size), 99, into, at)

  let exponent = decimalExponent(size)
  let digits = Math.round(size * power(8 - exponent))
  if (digits === 1e9) {
    digits = 1e8
    exponent++
  }
  let count = 9
  while (digits % 10 === 0) {
    digits /= 10
    count--
  }
  if (exponent >= 0 && exponent < count - 1) return writeDigits(digits, count, exponent + 1, into, at)
  if (exponent < 0 && exponent >= -5) {
    into[at++] = zero
    into[at++] = point
    for (let i = -1; i > exponent; i--) into[at++] = zero
    return writeDigits(digits, count, 99, into, at)
  }
  at = writeDigits(digits, count, 1, into, at)
  return writeAscii(`e${exponent}`, into, at)
}

const zero = 48
const minus = 45
const point = 46

// 10^-45 bounds the smallest float32, 10^53 brings it to nine digits before the point.
const powers = Float64Array.from({ length: 99 }, (_, i) => Number(`1e${i - 45}`))

function power(exponent: number): number {
  return powers[exponent + 45] ?? Number.NaN
}

const float32 = new Float32Array(1)
const bits = new Uint32Array(float32.buffer)

// Between two powers of two lies at most one power of ten, so the binary exponent leaves one comparison to do.
const leastDecimalExponent = Int8Array.from({ length: 255 }, (_, i) => Math.floor(Math.log10(2 ** (i - 127))))

function decimalExponent(size: number): number {
  float32[0] = size
  const binary = (bits[0] ?? 0) >>> 23
  const least = binary === 0 ? Math.floor(Math.log10(size)) : (leastDecimalExponent[binary] ?? 0)
  return size >= power(least + 1) ? least + 1 : least
}

function digitCount(integer: number): number {
  let count = 1
  for (let above = 10; above <= integer; above *= 10) count++
  return count
}

/** The digits of an integer, with a point after the first `before` of them where there are more. */
function writeDigits(integer: number, count: number, before: number, into: Uint8Array, at: number): number {
  const end = at + count + (count > before ? 1 : 0)
  let rest = integer | 0
  let place = end
  for (let left = count; left > 0; left--) {
    const tenth = (rest / 10) | 0
    into[--place] = zero + rest - tenth * 10
    rest = tenth
    if (left - 1 === before) into[--place] = point
  }
  return end
}

function writeAscii(text: string, into: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i)
  return at + text.length
}
