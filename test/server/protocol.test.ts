import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeFrame, type Frame, openFrameReader } from '../../server/protocol.ts'

const anyFrame = fc.record({
  type: fc.constantFrom('infer' as const, 'score' as const),
  id: fc.integer({ min: 0, max: 0xffff_ffff }),
  meta: fc.record({ endpoint: fc.string({ unit: 'grapheme' }), unit: fc.string() }),
  body: fc.uint8Array({ maxLength: 300 }),
})

function bytesOf(frames: readonly Pick<Frame, 'type' | 'id' | 'meta' | 'body'>[]): Uint8Array {
  return Buffer.concat(frames.flatMap(({ type, id, meta, body }) => encodeFrame(type, id, meta as never, [body])))
}

describe('frames between front and scorer', () => {
  test('come out whole and in order wherever the chunks end', () => {
    const borders = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 400 })
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), borders, (frames, sizes) => {
        const received: unknown[] = []
        const reader = openFrameReader(({ type, id, meta, body }) =>
          received.push({ type, id, meta, body: Uint8Array.from(body) }),
        )
        let rest = bytesOf(frames)
        for (const size of sizes) {
          reader.push(rest.subarray(0, size))
          rest = rest.subarray(size)
        }
        reader.push(rest)
        expect(received).toEqual(frames)
      }),
      { numRuns: 1000 },
    )
  })

  test('one byte at a time gives the same frames', () => {
    const frames = [
      { type: 'cancel' as const, id: 7, meta: null, body: new Uint8Array(0) },
      { type: 'answer' as const, id: 8, meta: { status: 200, headers: {} }, body: Uint8Array.of(1, 2, 3) },
    ]
    const received: Frame[] = []
    const reader = openFrameReader((frame) => received.push(frame))
    for (const byte of bytesOf(frames)) reader.push(Uint8Array.of(byte))
    expect(received.map(({ isAlone: _, ...frame }) => frame)).toEqual(frames)
  })

  test('the files of a model follow each other in one body', () => {
    const received: Frame[] = []
    const reader = openFrameReader((frame) => received.push(frame))
    for (const part of encodeFrame('withdraw', 1, { endpoint: 'e' }, [Uint8Array.of(1), Uint8Array.of(2, 3)])) {
      reader.push(part)
    }
    expect(received).toMatchObject([{ type: 'withdraw', id: 1, meta: { endpoint: 'e' }, body: Uint8Array.of(1, 2, 3) }])
  })

  test('the first tensor of a body that comes in chunks lies at a multiple of 8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 300 }), (endpoint, headerLength) => {
        const [head, body] = encodeFrame('infer', 1, { endpoint, headerLength }, [new Uint8Array(400)])
        const offsets: number[] = []
        const reader = openFrameReader((frame) => offsets.push(frame.body.byteOffset + headerLength))
        if (head !== undefined) reader.push(head)
        if (body !== undefined) reader.push(body)
        expect(offsets.map((offset) => offset % 8)).toEqual([0])
      }),
    )
  })

  test('a chunk whose bytes lie in frames of their own is given back; one that a body shares is kept', () => {
    const [small] = encodeFrame('flush', 1, null)
    const [head, body] = encodeFrame('infer', 2, { endpoint: 'e' }, [new Uint8Array(40_000).fill(7)])
    if (small === undefined || head === undefined || body === undefined) throw new Error('a frame has no pieces')
    const received: Frame[] = []
    const reader = openFrameReader((frame) => received.push(frame))
    const chunks = [[small, head, body.subarray(0, 20_000)], [body.subarray(20_000)]].map(joinCopy)
    for (const chunk of chunks) reader.push(chunk)
    expect(chunks.map(({ length }) => length > 0)).toEqual([true, false])
    expect(received.map(({ isAlone }) => isAlone)).toEqual([false, true])
    expect(received[1]?.body).toEqual(new Uint8Array(40_000).fill(7))
  })
})

/** In memory of its own, as a socket gives it. */
function joinCopy(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}
