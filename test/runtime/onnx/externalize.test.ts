/** Read back by protobufjs (`onnx-proto`), which puts what is outside of a network back inside. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { onnx } from 'onnx-proto'
import { describe, expect, test } from 'vitest'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { encode } from '../../../runtime/onnx/encoder.ts'
import { externalize } from '../../../runtime/onnx/externalize.ts'
import { grammar } from '../../../runtime/onnx/grammar.ts'
import { readModel } from '../../../runtime/onnx/reader.ts'
import { encodeModel } from '../../../runtime/onnx/writer.ts'
import type { ModelBytes } from '../../../runtime/scoring/session.ts'
import { createTensor, type Tensors } from '../../../runtime/tensor/tensor.ts'

const large = 16 * 1024
const detector = fileURLToPath(new URL('../../../../shared/models/ultraface.onnx', import.meta.url))

function model(initializers: Tensors): Uint8Array {
  const nodes = [{ operator: 'Sum', inputs: ['x', ...Object.keys(initializers)], outputs: ['y'] }]
  const value = { datatype: 'FP32' as const, shape: ['N'] }
  return encodeModel({
    opsets: { '': 17 },
    graph: { name: 'g', nodes, initializers, inputs: [{ ...value, name: 'x' }], outputs: [{ ...value, name: 'y' }] },
  })
}

function floats(length: number, first = 0): Tensors[string] {
  return createTensor(
    'FP32',
    [length],
    Float32Array.from({ length }, (_, i) => first + i),
  )
}

/** A model of one tensor, in the words of the grammar, so that it can say what no writer would. */
function odd(tensor: Record<string, unknown>): ModelBytes {
  const graph = { initializers: [{ name: 'w', dims: [large], dataType: 1, ...tensor }] }
  return inside(encode(grammar, 'model', { irVersion: 8, opsets: [{ version: 17 }], graph }))
}

function inside(network: Uint8Array): ModelBytes {
  return { network, externalData: [] }
}

/** As a reader sees it that takes external data in. */
function read({ network, externalData }: ModelBytes): Record<string, unknown> {
  const decoded = onnx.ModelProto.decode(network)
  for (const tensor of decoded.graph?.initializer ?? []) {
    const entries = new Map(tensor.externalData?.map(({ key, value }) => [key, value]))
    const file = externalData.find(({ path }) => path === entries.get('location'))
    if (file === undefined) continue
    const from = Number(entries.get('offset'))
    tensor.rawData = file.data.subarray(from, from + Number(entries.get('length')))
    tensor.externalData = []
  }
  return withoutLocations(decoded.toJSON())
}

// That data is inside may be said or not.
function withoutLocations(json: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(json, (key, value) => (key === 'dataLocation' ? undefined : value)))
}

describe('a model whose large weights lie outside of its network', () => {
  test('is the same model, and its network is small', () => {
    const initializers = { a: floats(large), b: floats(8), c: floats(3 * large, 5) }
    const before = inside(model(initializers))
    const after = externalize(before)
    expect(read(after)).toEqual(read(before))
    expect(after.network.length).toBeLessThan(1000)
  })

  test('takes its weights from the bytes that came, without a copy', () => {
    const before = inside(model({ a: floats(large) }))
    const { externalData } = externalize(before)
    expect(externalData).toHaveLength(1)
    expect(externalData[0]?.data).toBe(before.network)
  })

  test('is one that our own reader takes, its file being declared', () => {
    const before = inside(model({ a: floats(large) }))
    const { network, externalData } = externalize(before)
    const allowed = new Map(externalData.map(({ path, data }) => [path, data.length]))
    const [stored] = readModel(before.network).initializers
    const lengthBytes = 4 * large
    const offsetBytes = Buffer.from(before.network).indexOf(
      Buffer.from(Float32Array.from({ length: large }, (_, i) => i).buffer),
    )
    expect(readModel(network, { allowed }).initializers).toEqual([
      { ...stored, external: { name: 'a', location: 'network', offsetBytes, lengthBytes } },
    ])
  })

  test('has no file with the name of one that the version has', () => {
    const files = ['network', 'network-'].map((path) => ({ path, data: new Uint8Array(1) }))
    const { externalData } = externalize({ network: model({ a: floats(large) }), externalData: files })
    expect(externalData.slice(0, 2)).toEqual(files)
    expect(externalData.map(({ path }) => path)).toEqual(['network', 'network-', 'network--'])
  })

  test('stays as it is when asked again', () => {
    const after = externalize(inside(model({ a: floats(large) })))
    expect(externalize(after)).toBe(after)
  })

  test('keeps what no grammar of ours knows, at each level', () => {
    // Field 2000 with three bytes, behind the fields of model, graph and tensor.
    const unknown = Uint8Array.of(0x82, 0x7d, 3, 7, 8, 9)
    const tensor = encode(grammar, 'tensor', { name: 'w', dims: [large], dataType: 1, raw: new Uint8Array(4 * large) })
    const graph = nested(0x2a, join(tensor, unknown))
    const { network } = externalize(inside(join(nested(0x3a, join(graph, unknown)), unknown)))
    expect(network.length).toBeLessThan(1000)
    expect(count(network, unknown)).toBe(3)
  })

  test('is the same model whatever its weights, and again when asked again', () => {
    const tensor = fc
      .record({
        datatype: fc.constantFrom('FP32', 'INT8', 'FP16', 'INT64'),
        // On both sides of what is large.
        bytes: fc.oneof(fc.nat(256), fc.integer({ min: 65_000, max: 66_000 }), fc.constant(65_536)),
      })
      .map(({ datatype, bytes }) => {
        const arrays = { FP32: Float32Array, INT8: Int8Array, FP16: Uint16Array, INT64: BigInt64Array } as const
        const array = arrays[datatype as keyof typeof arrays]
        const length = Math.floor(bytes / array.BYTES_PER_ELEMENT)
        const data = new array(new Uint8Array(length * array.BYTES_PER_ELEMENT).fill(bytes % 100).buffer)
        return createTensor(datatype as 'FP32', [length], data as Float32Array)
      })
    const initializers = fc.dictionary(fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }), tensor, {
      maxKeys: 5,
      noNullPrototype: true,
    })
    fc.assert(
      fc.property(initializers, (weights) => {
        const before = inside(model(weights))
        const after = externalize(before)
        expect(read(after)).toEqual(read(before))
        expect(externalize(after)).toBe(after)
      }),
      { numRuns: 60, seed: 20261125 },
    )
  })

  test.skipIf(!existsSync(detector))('is the same model where others wrote it', () => {
    const before = inside(new Uint8Array(readFileSync(detector)))
    const after = externalize(before)
    expect(after.network.length).toBeLessThan(before.network.length / 2)
    expect(read(after)).toEqual(read(before))
  })
})

describe('weights that stay inside', () => {
  const raw = new Uint8Array(4 * large)

  test.each<[string, ModelBytes]>([
    ['small ones', inside(model({ a: floats(8) }))],
    ['those under 64 KiB, however many', inside(model({ a: floats(large - 1), b: floats(large - 1) }))],
    ['numbers that are not raw bytes', odd({ floats: Array.from({ length: large }, () => 1) })],
    ['raw bytes beside numbers', odd({ raw, floats: [1] })],
    ['those that lie outside already', odd({ raw, location: 1, external: [{ key: 'location', value: 'w.bin' }] })],
    ['those that refer to a file without saying so', odd({ raw, external: [{ key: 'location', value: 'w.bin' }] })],
    ['those that say that they lie outside', odd({ raw, location: 1 })],
  ])('%s', (_, bytes) => {
    expect(externalize(bytes)).toBe(bytes)
  })

  test('not those that say that they lie inside', () => {
    const before = odd({ raw, location: 0 })
    const after = externalize(before)
    expect(after.network.length).toBeLessThan(1000)
    expect(read(after)).toEqual(read(before))
  })
})

test('RT-14 1,000 mutations of a model give a model or an error with a code', () => {
  const whole = model({ a: floats(large), b: floats(4) })
  // Not inside of the payload, where nothing is read.
  const place = fc.oneof(fc.nat(200), fc.integer({ min: whole.length - 120, max: whole.length - 1 }))
  const mutation = fc.record({ at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }), drop: fc.nat(6) })
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
      let bytes = whole
      for (const { at, bytes: other, drop } of mutations) {
        bytes = join(bytes.subarray(0, at), other, bytes.subarray(at + drop))
      }
      try {
        externalize(inside(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(SelvedgeError)
        expect(error).toMatchObject({ code: 'MODEL_INVALID' })
      }
    }),
    { numRuns: 1000, seed: 20261125 },
  )
})

test.each([
  ['a field that ends behind the file', [0x3a, 0xff, 0xff, 0xff, 0x7f]],
  ['a length past 2^53', [0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
  ['a number without an end', [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]],
  ['a group, which ONNX has not', [0x0b]],
])('RT-14 refuses %s', (_, start) => {
  const bytes = new Uint8Array(100_000)
  bytes.set(start)
  expect(() => externalize(inside(bytes))).toThrow(expect.objectContaining({ code: 'MODEL_INVALID' }))
})

function nested(tag: number, message: Uint8Array): Uint8Array {
  const length: number[] = []
  for (let rest = message.length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return join(Uint8Array.of(tag, ...length, rest), message)
    length.push((rest % 128) + 128)
  }
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function count(bytes: Uint8Array, part: Uint8Array): number {
  return Buffer.from(bytes).toString('latin1').split(Buffer.from(part).toString('latin1')).length - 1
}
