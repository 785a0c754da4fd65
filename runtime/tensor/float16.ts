/** FP16, IEEE 754 binary16: the 16 bits of a number and back. */

/** The nearest FP16 number, ties to even; rounded once, from the double. */
export function encodeFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (Number.isNaN(value)) return 0x7e00
  if (size >= overflow) return sign | 0x7c00
  // A subnormal that rounds up to 1024 becomes the smallest normal number by itself, and so does a carry below.
  if (size < smallestNormal) return sign | roundToEven(size * 2 ** 24)
  float64[0] = size
  const exponent = ((words[1] ?? 0) >>> 20) - 1023
  return sign | (((exponent + 15) << 10) + roundToEven((size / 2 ** exponent - 1) * 1024))
}

export function decodeFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  if (exponent === 0) return sign * fraction * 2 ** -24
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** From here on a number rounds to infinity: half a step above the largest, 65,504. */
const overflow = 65_520
const smallestNormal = 2 ** -14

const float64 = new Float64Array(1)
// Every host of JavaScript that has ONNX Runtime is little-endian: the second word holds the exponent.
const words = new Uint32Array(float64.buffer)

// A double has no bits for fractions beside 2^52, so the addition itself rounds to even.
function roundToEven(value: number): number {
  return value + 2 ** 52 - 2 ** 52
}
