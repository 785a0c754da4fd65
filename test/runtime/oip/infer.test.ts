import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Datatype, datatypes } from '../../../runtime/contract/datatype.ts'
import type { TensorSignature } from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { limits } from '../../../runtime/limits.ts'
import {
  decodeInferRequest,
  decodeInferResponse,
  encodeInferRequest,
  encodeInferResponse,
} from '../../../runtime/oip/infer.ts'
import { encodeFloat16 } from '../../../runtime/tensor/float16.ts'
import type { Tensor, Tensors } from '../../../runtime/tensor/tensor.ts'

const encoder = new TextEncoder()

function decodeText(text: string, headerLength?: number, inputs: readonly TensorSignature[] = []) {
  return decodeInferRequest(encoder.encode(text), headerLength, () => inputs)
}

function decodeData(datatype: string, shape: string, data: string): Tensor | undefined {
  return decodeText(`{"inputs":[{"name":"x","datatype":"${datatype}","shape":${shape},"data":${data}}]}`).inputs.x
}

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (thrown) {
    if (thrown instanceof SelvedgeError) return `${thrown.code} ${thrown.status}`
    throw thrown
  }
  return 'accepted'
}

const anyTensor = fc.oneof(...datatypes.map(tensorOf))
const anyTensors = fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), anyTensor, { minKeys: 1, maxKeys: 4 })

function tensorOf(datatype: Datatype): fc.Arbitrary<Tensor> {
  const shapes = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 })
  return shapes.chain((shape) => {
    const count = shape.reduce((product, dimension) => product * dimension, 1)
    const length = { minLength: count, maxLength: count }
    const data = {
      BOOL: fc.uint8Array({ ...length, max: 1 }),
      UINT8: fc.uint8Array(length),
      UINT16: fc.uint16Array(length),
      UINT32: fc.uint32Array(length),
      UINT64: fc.bigUint64Array(length),
      INT8: fc.int8Array(length),
      INT16: fc.int16Array(length),
      INT32: fc.int32Array(length),
      INT64: fc.bigInt64Array(length),
      FP16: fc
        .array(fc.double({ min: -65_504, max: 65_504 }), length)
        .map((values) => Uint16Array.from(values, encodeFloat16)),
      FP32: fc.float32Array(length),
      FP64: fc.float64Array(length),
      BYTES: fc.array(fc.string({ unit: 'binary' }), length),
    }[datatype]
    return (data as fc.Arbitrary<Tensor['data']>).map((values) => ({ datatype, shape, data: values }) as Tensor)
  })
}

describe('bodies of infer', () => {
  test('a request in binary form decodes to the tensors that were encoded, at any alignment', () => {
    fc.assert(
      fc.property(anyTensors, fc.integer({ min: 0, max: 7 }), (tensors, shift) => {
        const framed = encodeInferRequest(tensors)
        // A Buffer, as Node's sockets give it: its slice() copies nothing.
        const body = Buffer.alloc(framed.body.length + shift).subarray(shift)
        body.set(framed.body)
        const decoded = decodeInferRequest(body, framed.headerLength, () => [])
        expect({ ...decoded.inputs }).toEqual({ ...tensors })
        expect(decoded.binary('anything')).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test('an answer holds the same tensors in JSON and in binary form, all 13 datatypes, 64-bit integers exact', () => {
    fc.assert(
      fc.property(anyTensors, fc.boolean(), (tensors, binary) => {
        const framed = encodeInferResponse({
          model: 'm',
          version: 3,
          outputs: tensors,
          request: { id: 'a"b', binary: () => binary },
        })
        const decoded = decodeInferResponse(framed.body, framed.headerLength)
        expect({ ...decoded, outputs: { ...decoded.outputs } }).toEqual({
          model: 'm',
          version: '3',
          id: 'a"b',
          outputs: { ...tensors },
        })
      }),
      { numRuns: 500 },
    )
  })

  test('an output named __proto__ stays a name', () => {
    const tensors: Tensors = Object.fromEntries([
      ['__proto__', { datatype: 'INT8', shape: [1], data: Int8Array.of(1) }],
    ])
    const { body } = encodeInferResponse({ model: 'm', version: 1, outputs: tensors, request: { binary: () => false } })
    expect(Object.keys(decodeInferResponse(body, undefined).outputs)).toEqual(['__proto__'])
  })

  test('binary_data of an output overrides binary_data_output of the request', () => {
    const request = decodeText(
      '{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1]}],"parameters":{"binary_data_output":true},' +
        '"outputs":[{"name":"a"},{"name":"b","parameters":{"binary_data":false}}]}',
    )
    expect([request.outputs, request.binary('a'), request.binary('b')]).toEqual([['a', 'b'], true, false])
  })

  test('the request of the binary extension documentation decodes', () => {
    const header =
      '{"model_name":"mymodel","inputs":[{"name":"input0","shape":[2,2],"datatype":"UINT32","parameters":{"binary_data_size":16}},' +
      '{"name":"input1","shape":[3],"datatype":"BOOL","parameters":{"binary_data_size":3}}],' +
      '"outputs":[{"name":"output0","parameters":{"binary_data":true}}]}'
    const data = Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 1)
    const body = new Uint8Array([...encoder.encode(header), ...data])
    const { inputs } = decodeInferRequest(body, header.length, () => [])
    expect(inputs).toEqual({
      input0: { datatype: 'UINT32', shape: [2, 2], data: Uint32Array.of(1, 2, 3, 4) },
      input1: { datatype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) },
    })
  })

  test.each<[string, number, number]>([
    ['behind the body', 500, 0],
    ['with bytes of no tensor behind it', 0, 4],
  ])('a JSON part %s is refused', (_name, more, behind) => {
    const text = '{"inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1]}]}'
    expect(codeOf(() => decodeText(text + 'x'.repeat(behind), text.length + more))).toBe('INVALID_REQUEST 400')
  })

  test('nesting of 100 levels is read and 101 are refused before they are parsed', () => {
    const nested = (levels: number) => `{"inputs":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`
    expect(() => decodeText(nested(limits.jsonDepth))).toThrow('inputs.0')
    expect(() => decodeText(nested(limits.jsonDepth + 1))).toThrow('nested deeper than 100')
    const brackets = `{"id":"${'['.repeat(500)}","inputs":[{"name":"x","datatype":"INT8","shape":[1],"data":[1]}]}`
    expect(decodeText(brackets).id).toBe('['.repeat(500))
  })
})

describe('a raw body', () => {
  const input = (datatype: Datatype, shape: (number | string)[]): TensorSignature[] => [{ name: 'x', datatype, shape }]
  const raw = (bytes: Uint8Array, inputs: TensorSignature[]) => decodeInferRequest(bytes, 0, () => inputs)

  test('fills the one free dimension from its length', () => {
    const { inputs, binary } = raw(new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer), input('FP32', ['N', 2]))
    expect(inputs).toEqual({ x: { datatype: 'FP32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) } })
    expect(binary('y')).toBe(true)
  })

  test('of BYTES is the bare text', () => {
    expect(raw(encoder.encode('427'), input('BYTES', [1])).inputs).toEqual({
      x: { datatype: 'BYTES', shape: [1], data: ['427'] },
    })
  })

  test('is refused for two inputs, two free dimensions and half a row', () => {
    const bytes = new Uint8Array(12)
    const refused = [
      () => raw(bytes, [...input('FP32', [3]), ...input('FP32', [3])]),
      () => raw(bytes, input('FP32', ['N', 'M'])),
      () => raw(bytes, input('FP32', ['N', 2])),
      () => raw(bytes, input('BYTES', [2])),
    ].map(codeOf)
    expect(refused).toEqual(['INVALID_REQUEST 400', 'INVALID_REQUEST 400', 'TENSOR_INVALID 400', 'TENSOR_INVALID 400'])
  })
})

describe('hostile tensors', () => {
  test.each(['-5', '1.5', '"2"', 'null', '-0', '1e30', '[1]'])(
    'SC-02: dimension %s is refused with 400',
    (dimension) => {
      expect(codeOf(() => decodeData('FP32', `[${dimension}]`, '[1,2]'))).toMatch(/ 400$/)
    },
  )

  test('SC-02: 300 dimensions are refused with 400', () => {
    expect(codeOf(() => decodeData('FP32', `[${'1,'.repeat(299)}1]`, '[1]'))).toBe('TENSOR_INVALID 400')
  })

  test.each([
    ['FP32', '[3]', '[1,2]', '"x" of shape [3]: got 2 values, want 3'],
    ['FP32', '[1]', '[1,2]', '"x" of shape [1]: got 2 values, want 1'],
    ['BOOL', '[3]', '[true]', '"x" of shape [3]: got 1 values, want 3'],
    ['FP32', '[3,2]', '[[1,2,3],[4,5,6]]', '"x" of shape [3,2]: got 2 items on axis 0, want 3'],
  ])('SC-03: %s of shape %s with data %s names input, expected and got', (datatype, shape, data, message) => {
    expect(() => decodeData(datatype, shape, data)).toThrow(message)
  })

  test.each([
    ['INT8', '300'],
    ['INT8', '-129'],
    ['UINT8', '-1'],
    ['UINT16', '65536'],
    ['UINT32', '4294967296'],
    ['INT16', '1.5'],
    ['INT32', '"5"'],
    ['INT32', 'null'],
    ['INT32', '"NaN"'],
    ['INT64', '"NaN"'],
    ['INT64', '9223372036854775808'],
    ['INT64', '1e19'],
    ['UINT64', '18446744073709551616'],
    ['UINT64', '-1'],
    ['UINT64', '0.5'],
    ['FP16', '65520'],
    ['FP16', '"Inf"'],
    ['FP32', '3.5e38'],
    ['FP32', 'true'],
    ['FP64', '1e400'],
    ['FP64', '"1"'],
    ['BOOL', '1'],
    ['BYTES', '1'],
    ['BYTES', '"\\ud800"'],
    ['COMPLEX64', '1'],
  ])('SC-05, SC-07: %s %s is refused with 400', (datatype, value) => {
    expect(codeOf(() => decodeData(datatype, '[1]', `[${value}]`))).toMatch(/ 400$/)
  })

  test('SC-05: a bare NaN is no JSON', () => {
    expect(codeOf(() => decodeData('FP32', '[1]', '[NaN]'))).toBe('INVALID_REQUEST 400')
  })

  test('SC-05: UINT64 2^53+1 and the ends of 64 bits are exact, as numbers and as strings', () => {
    const values = ['9007199254740993', '18446744073709551615', '0']
    const expected = BigUint64Array.of(9007199254740993n, 18446744073709551615n, 0n)
    expect(decodeData('UINT64', '[3]', `[${values}]`)?.data).toEqual(expected)
    expect(decodeData('UINT64', '[3]', `["${values.join('","')}"]`)?.data).toEqual(expected)
    expect(decodeData('INT64', '[1]', '[-9223372036854775808]')?.data).toEqual(BigInt64Array.of(-(2n ** 63n)))
  })

  test('a long integer beside a 64-bit tensor is still a float where the datatype is one', () => {
    const { inputs } = decodeText(
      '{"inputs":[{"name":"a","datatype":"INT64","shape":[1],"data":[9007199254740993]},' +
        '{"name":"b","datatype":"FP64","shape":[2],"data":[[10000000000000000000],[1]]}]}'.replace('[2]', '[2,1]'),
    )
    expect(inputs.b?.data).toEqual(Float64Array.of(1e19, 1))
  })

  test('SC-05: the strings NaN, Infinity and -Infinity are numbers of every FP type', () => {
    const data = '["NaN","Infinity","-Infinity"]'
    expect(decodeData('FP32', '[3]', data)?.data).toEqual(Float32Array.of(Number.NaN, Infinity, -Infinity))
    expect(decodeData('FP64', '[3]', data)?.data).toEqual(Float64Array.of(Number.NaN, Infinity, -Infinity))
    expect(decodeData('FP16', '[3]', data)?.data).toEqual(Uint16Array.of(0x7e00, 0x7c00, 0xfc00))
  })

  test('SC-07: NUL and 16 MB of text come through whole', () => {
    const texts = ['a\0b', 'ü'.repeat(8 * 1024 * 1024)]
    const tensors: Tensors = { x: { datatype: 'BYTES', shape: [2], data: texts } }
    const framed = encodeInferRequest(tensors)
    expect(decodeInferRequest(framed.body, framed.headerLength, () => []).inputs.x?.data).toEqual(texts)
  })

  test('SC-07: bytes that are not UTF-8, a length past the end and a BOOL of 2 are refused', () => {
    const binary = (datatype: string, bytes: number[]) => {
      const header = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[1],"parameters":{"binary_data_size":${bytes.length}}}]}`
      return codeOf(() =>
        decodeInferRequest(new Uint8Array([...encoder.encode(header), ...bytes]), header.length, () => []),
      )
    }
    expect(binary('BYTES', [1, 0, 0, 0, 0xff])).toBe('TENSOR_INVALID 400')
    expect(binary('BYTES', [255, 255, 255, 255, 65])).toBe('TENSOR_INVALID 400')
    expect(binary('BYTES', [1, 0, 0, 0, 65, 66])).toBe('TENSOR_INVALID 400')
    expect(binary('BYTES', [1, 0])).toBe('TENSOR_INVALID 400')
    expect(binary('BOOL', [2])).toBe('TENSOR_INVALID 400')
    expect(binary('FP32', [0, 0, 0])).toBe('TENSOR_INVALID 400')
    expect(binary('BYTES', [1, 0, 0, 0, 65])).toBe('accepted')
  })

  test('a body that is no UTF-8, an input twice and an output twice are refused', () => {
    const input = '{"name":"x","datatype":"INT8","shape":[1],"data":[1]}'
    expect(codeOf(() => decodeInferRequest(Uint8Array.of(0x22, 0xff, 0x22), undefined, () => []))).toBe(
      'INVALID_REQUEST 400',
    )
    expect(codeOf(() => decodeText(`{"inputs":[${input},${input}]}`))).toBe('INVALID_REQUEST 400')
    expect(codeOf(() => decodeText(`{"inputs":[${input}],"outputs":[{"name":"y"},{"name":"y"}]}`))).toBe(
      'INVALID_REQUEST 400',
    )
  })
})
