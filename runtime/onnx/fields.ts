/** The fields of one message of protobuf as places in bytes that are all there; the wire format is that of `decoder.ts`. */
import { SelvedgeError } from '../errors.ts'

interface PlacedField {
  number: number
  wire: number
  /** Where its tag begins. */
  start: number
  /** Where its payload begins and ends, behind tag and length. */
  from: number
  to: number
}

const delimited = 2
/** Of a payload, by wire type. */
const fixedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 }

/** @throws {@link SelvedgeError} `MODEL_INVALID` where the bytes from `from` to `to` are no fields */
export function* placedFields(bytes: Uint8Array, from: number, to: number): Generator<PlacedField> {
  for (let start = from; start < to; ) {
    const tag = readVarint(bytes, start, to)
    const wire = tag.value % 8
    const payload = placePayload(bytes, tag.end, to, wire)
    if (payload.to > to) {
      throw invalid(start, `${payload.to - payload.from} bytes announced where ${to - payload.from} are left`)
    }
    yield { number: Math.floor(tag.value / 8), wire, start, ...payload }
    start = payload.to
  }
}

function placePayload(bytes: Uint8Array, at: number, to: number, wire: number): { from: number; to: number } {
  const fixed = fixedBytes[wire]
  if (fixed !== undefined) return { from: at, to: at + fixed }
  if (wire !== 0 && wire !== delimited) throw invalid(at, `wire type ${wire}`)
  const { value, end } = readVarint(bytes, at, to)
  return wire === delimited ? { from: end, to: end + value } : { from: at, to: end }
}

// Past 2^53 the nearest number that a double can hold: more than there are bytes.
function readVarint(bytes: Uint8Array, from: number, to: number): { value: number; end: number } {
  let value = 0
  for (let at = from; at < Math.min(to, from + 10); at++) {
    const byte = bytes[at] as number
    value += (byte & 0x7f) * 2 ** (7 * (at - from))
    if (byte < 0x80) return { value, end: at + 1 }
  }
  throw invalid(from, 'a number that is cut off or has more than 10 bytes')
}

function invalid(at: number, came: string): SelvedgeError {
  return new SelvedgeError('MODEL_INVALID', `no ONNX model: at byte ${at} came ${came}`)
}
