/** Growing bytes: the body of an answer, refused as soon as it passes its limit. */
import { SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import { floatTextBytes, writeFloat32 } from './float-text.ts'

export interface BytesWriter {
  readonly length: number
  text(text: string): void
  bytes(bytes: Uint8Array): void
  /** Numbers of float32 with commas between. */
  float32s(data: ArrayLike<number>): void
  /** What was written; the writer is done with. */
  take(): Uint8Array<ArrayBuffer>
}

/** @throws SelvedgeError `OUTPUT_TOO_LARGE` from every write that passes `limits.outputBytes` */
export function openBytesWriter(): BytesWriter {
  let buffer = new Uint8Array(1024)
  let length = 0

  function reserve(more: number): void {
    const wanted = length + more
    if (wanted <= buffer.length) return
    const grown = new Uint8Array(Math.max(wanted, buffer.length * 2))
    grown.set(buffer.subarray(0, length))
    buffer = grown
  }

  function checkLimit(): void {
    if (length <= limits.outputBytes) return
    throw new SelvedgeError('OUTPUT_TOO_LARGE', `the answer passes ${limits.outputBytes} bytes`)
  }

  function append(bytes: Uint8Array): void {
    reserve(bytes.length)
    buffer.set(bytes, length)
    length += bytes.length
    checkLimit()
  }

  return {
    get length() {
      return length
    },
    text: (text) => append(encoder.encode(text)),
    bytes: append,
    float32s(data) {
      for (let start = 0; start < data.length; start += pieceLength) {
        const end = Math.min(data.length, start + pieceLength)
        reserve((end - start) * (floatTextBytes + 1))
        for (let i = start; i < end; i++) {
          if (i > 0) buffer[length++] = comma
          length = writeFloat32(data[i] ?? 0, buffer, length)
        }
        checkLimit()
      }
    },
    take: () => buffer.subarray(0, length),
  }
}

const encoder = new TextEncoder()
const comma = 44
const pieceLength = 4096
