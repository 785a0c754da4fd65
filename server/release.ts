/**
 * Memory of large buffers, given back before a collection: V8 counts it with the heap, and for a heap as small as that of a
 * front it collects all garbage at every 16 MB of bodies, which took half of the front's time.
 */

const leastBytes = 16_384

/** Gives back the buffer of bytes that nobody reads any more; they and whatever else lay in it are empty afterwards. */
export function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= leastBytes) buffer.transfer(0)
}

/** As {@link release}, for bytes that may lie beside others. */
export function releaseAlone(bytes: Uint8Array): void {
  if (bytes.length === bytes.buffer.byteLength) release(bytes)
}
