/** Compressed bodies (RFC 9110, "Content-Encoding"), inflated no further than their limit. */
import { joinBytes } from '../../runtime/bytes.ts'
import { SelvedgeError } from '../../runtime/errors.ts'

/** @throws {@link SelvedgeError} `BODY_TOO_LARGE` past `limitBytes`, `INVALID_REQUEST` for bytes that do not inflate */
export async function inflate(body: Uint8Array, encoding: 'gzip' | 'deflate', limitBytes: number): Promise<Uint8Array> {
  // A Blob takes its own copy, so that a body on shared memory is fine too.
  const reader = new Blob([new Uint8Array(body)]).stream().pipeThrough(new DecompressionStream(encoding)).getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read().catch((cause) => {
      throw new SelvedgeError('INVALID_REQUEST', `the body is not ${encoding}`, {}, { cause })
    })
    if (done) break
    chunks.push(value)
    length += value.length
    if (length > limitBytes) {
      await reader.cancel()
      throw new SelvedgeError('BODY_TOO_LARGE', `the body inflates to more than ${limitBytes} bytes`)
    }
  }
  return joinBytes(chunks)
}
