/** Growing bytes: a body, refused as soon as it passes its limit. */
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

/** @throws SelvedgeError `OUTPUT_TOO_LARGE` or `BODY_TOO_LARGE` from every write that passes the limit of that code */
export function openBytesWriter(code: 'OUTPUT_TOO_LARGE' | 'BODY_TOO_LARGE'): BytesWriter {
  const most = code === 'OUTPUT_TOO_LARGE' ? limits.outputBytes : limits.binaryBodyBytes
  let buffer = new Uint8Array(1024)
  let length = 0
  // Encoding costs by the call, so texts are gathered until bytes follow.
  let pending = ''

  function reserve(more: number): void {
    const wanted = length + more
    if (wanted <= buffer.length) return
    const grown = new Uint8Array(Math.max(wanted, buffer.length * 2))
    grown.set(buffer.subarray(0, length))
    buffer = grown
  }

  function checkLimit(): void {
    if (length > most) throw new SelvedgeError(code, `the tensors pass ${most} bytes`)
  }

  function append(bytes: Uint8Array): void {
    reserve(bytes.length)
    buffer.set(bytes, length)
    length += bytes.length
    checkLimit()
  }

  function flush(): void {
    if (pending !== '') append(encoder.encode(pending))
    pending = ''
  }

  return {
    get length() {
      flush()
      return length
    },
    text(text) {
      pending += text
    },
    bytes(bytes) {
      flush()
      append(bytes)
    },
    float32s(data) {
      flush()
      // Of what is written most often, so that it need not grow by doubling.
      reserve(Math.min(data.length * expectedBytes, most - length))
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
    take() {
      flush()
      return buffer.subarray(0, length)
    },
  }
}

const encoder = new TextEncoder()
const comma = 44
const pieceLength = 4096
/** Of a number with its comma. */
const expectedBytes = 14
