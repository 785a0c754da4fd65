/** Compressed answers (RFC 9110, "Accept-Encoding"), for callers that ask for them. */

export type Encoding = 'gzip' | 'deflate'

/** Below that a packet is sent anyway. */
const leastBytes = 1024

/** @returns undefined where the body goes as it is */
export async function deflate(body: Uint8Array, encoding: Encoding | undefined): Promise<Uint8Array | undefined> {
  if (encoding === undefined || body.length < leastBytes) return undefined
  const packed = new Blob([new Uint8Array(body)]).stream().pipeThrough(new CompressionStream(encoding))
  const bytes = new Uint8Array(await new Response(packed).arrayBuffer())
  return bytes.length < body.length ? bytes : undefined
}
