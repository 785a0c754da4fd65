/** Vectors: SMHasher's and Wikipedia's published ones; the rest from the Python extension mmh3 5.3.0. */
import { describe, expect, test } from 'vitest'
import { murmur3 } from '../../../runtime/assignment/murmur3.ts'

describe('MurmurHash3_x86_32', () => {
  test.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['', 0xffffffff, 0x81f16f39],
    ['test', 0, 0xba6bd213],
    ['test', 0x9747b28c, 0x704b81dc],
    ['Hello, world!', 0, 0xc0363e43],
    ['Hello, world!', 0x9747b28c, 0x24884cba],
    ['The quick brown fox jumps over the lazy dog', 0, 0x2e4ff723],
    ['The quick brown fox jumps over the lazy dog', 0x9747b28c, 0x2fa826cd],
  ])('of the text %j with seed %d', (text, seed, hash) => {
    expect(murmur3(new TextEncoder().encode(text), seed)).toBe(hash)
  })

  test.each([
    [[0xff, 0xff, 0xff, 0xff], 0, 0x76293b50],
    [[0x21, 0x43, 0x65, 0x87], 0, 0xf55b516b],
    [[0x21, 0x43, 0x65, 0x87], 0x5082edee, 0x2362f9de],
    [[0x21, 0x43, 0x65], 0, 0x7e4a8634],
    [[0x21, 0x43], 0, 0xa0f7b07a],
    [[0x21], 0, 0x72661cf4],
    [[0, 0, 0, 0], 0, 0x2362f9de],
    [[0, 0, 0], 0, 0x85f0b427],
    [[0, 0], 0, 0x30f4c306],
    [[0], 0, 0x514e28b7],
  ])('of the bytes %j with seed %d', (bytes, seed, hash) => {
    expect(murmur3(Uint8Array.from(bytes), seed)).toBe(hash)
  })
})
