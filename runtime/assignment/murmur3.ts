/** MurmurHash3_x86_32 (Austin Appleby, public domain; SMHasher's `MurmurHash3.cpp`): fast and even, not for secrets. */

const c1 = 0xcc9e2d51
const c2 = 0x1b873593

/**
 * @param seed - 32 bits
 * @returns an unsigned 32-bit integer
 */
export function murmur3(bytes: Uint8Array, seed: number): number {
  let hash = seed | 0
  const end = bytes.length - (bytes.length % 4)
  for (let i = 0; i < end; i += 4) {
    hash ^= scramble(
      byteAt(bytes, i) | (byteAt(bytes, i + 1) << 8) | (byteAt(bytes, i + 2) << 16) | (byteAt(bytes, i + 3) << 24),
    )
    hash = (Math.imul(rotateLeft(hash, 13), 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = bytes.length - 1; i >= end; i--) tail = (tail << 8) | byteAt(bytes, i)
  hash ^= scramble(tail)
  return finalMix(hash ^ bytes.length)
}

function byteAt(bytes: Uint8Array, i: number): number {
  return bytes[i] ?? 0
}

function scramble(block: number): number {
  return Math.imul(rotateLeft(Math.imul(block, c1), 15), c2)
}

function rotateLeft(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by))
}

function finalMix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
