/** Compressed answers (RFC 9110, "Accept-Encoding"), for callers that ask for them. */

export type Encoding = 'gzip' | 'deflate'

/** Below that a packet is sent anyway. */
const leastBytes = 1024

/**
 * Numbers in binary form shrink by a tenth, at 30 ms a MiB, and many a caller asks for compression without knowing: a
 * piece of a long body tells whether it is worth it.
 */
const sampleBytes = 16_384
const mostOfSample = 0.8

/** @returns undefined where the body goes as it is */
export async function deflate(body: Uint8Array, encoding: Encoding | undefined): Promise<Uint8Array | undefined> {
  if (encoding === undefined || body.length < leastBytes) return undefined
  if (body.length > 4 * sampleBytes) {
    const middle = Math.floor(body.length / 2)
    const sample = await packed(body.subarray(middle, middle + sampleBytes), encoding)
    if (sample.length > mostOfSample * sampleBytes) return undefined
  }
  const bytes = await packed(body, encoding)
  return bytes.length < body.length ? bytes : undefined
}

async function packed(bytes: Uint8Array, encoding: Encoding): Promise<Uint8Array> {
  // A Blob takes its own copy, so that memory of the runtime is fine too.
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new CompressionStream(encoding))
  return new Uint8Array(await new Response(stream).arrayBuffer())
}
