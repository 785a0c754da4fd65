import { randomBytes } from 'node:crypto'
import { gunzipSync, inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { deflate } from '../../../server/scorer/deflate.ts'

const text = new TextEncoder().encode('[1,2,3]'.repeat(20_000))

describe('compressed answers', () => {
  test('inflate to the bytes that they were, a subarray too', async () => {
    const part = text.subarray(7)
    const gzip = await deflate(part, 'gzip')
    const zlib = await deflate(part, 'deflate')
    expect([gunzipSync(gzip ?? ''), inflateSync(zlib ?? '')]).toEqual([Buffer.from(part), Buffer.from(part)])
    expect(gzip?.length).toBeLessThan(part.length / 10)
  })

  test('are for those who ask, from 1,024 bytes on', async () => {
    expect(await deflate(text, undefined)).toBeUndefined()
    expect(await deflate(text.subarray(0, 1023), 'gzip')).toBeUndefined()
    expect(await deflate(text.subarray(0, 1024), 'gzip')).toBeDefined()
  })

  test('are not made of what does not shrink, short or long', async () => {
    expect(await deflate(randomBytes(2000), 'gzip')).toBeUndefined()
    const numbers = Float32Array.from(randomBytes(100_000), (byte, i) => Math.sin(i) * byte)
    expect(await deflate(new Uint8Array(numbers.buffer), 'gzip')).toBeUndefined()
  })
})
