import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encode } from '../../../runtime/onnx/encoder.ts'
import { grammar } from '../../../runtime/onnx/grammar.ts'
import { readModel, readModelWindows } from '../../../runtime/onnx/reader.ts'
import { encodeModel, type ModelToWrite } from '../../../runtime/onnx/writer.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'

/** y = Gemm(Flatten(x), w), with a default for w among the inputs, as models before IR version 4 have it. */
const small: ModelToWrite = {
  opsets: { '': 17, 'ai.onnx.ml': 3 },
  producer: 'a test',
  graph: {
    name: 'small',
    nodes: [
      { operator: 'Flatten', inputs: ['x'], outputs: ['flat'], attributes: { axis: { integer: 1 } } },
      { operator: 'Gemm', inputs: ['flat', 'w'], outputs: ['y'], attributes: { alpha: { float: 0.5 } } },
    ],
    initializers: { w: createTensor('FP32', [4, 2], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)) },
    inputs: [
      { name: 'x', datatype: 'FP32', shape: ['N', 2, -1] },
      { name: 'w', datatype: 'FP32', shape: [4, 2] },
      { name: 'free', datatype: 'INT64' },
    ],
    outputs: [{ name: 'y', datatype: 'FP32', shape: ['N', 2] }],
  },
}

describe('the reader of ONNX', () => {
  test('gives signature, opsets, operators and weights', () => {
    const bytes = encodeModel(small)
    const model = readModel(bytes)
    expect(model).toMatchObject({
      irVersion: 8,
      producer: 'a test',
      opsets: [
        { domain: 'ai.onnx', version: 17 },
        { domain: 'ai.onnx.ml', version: 3 },
      ],
      inputs: [
        { name: 'x', type: { kind: 'tensor', text: 'tensor(float)', shape: ['N', 2, -1] } },
        { name: 'free', type: { kind: 'tensor', text: 'tensor(int64)' } },
      ],
      outputs: [{ name: 'y', type: { shape: ['N', 2] } }],
      operators: [
        { domain: 'ai.onnx', name: 'Flatten', count: 1 },
        { domain: 'ai.onnx', name: 'Gemm', count: 1 },
      ],
      nodes: 2,
      initializers: [{ name: 'w', dims: [4, 2], declaredBytes: 32 }],
      external: [],
      sizeBytes: bytes.length,
    })
    expect(model.inputs[1]?.type).not.toHaveProperty('shape')
  })

  test('recognises sequences, maps and optionals by what they hold', () => {
    const type = {
      sequence: { type: { map: { key: 7, type: { tensor: { datatype: 1 } } } } },
    }
    const graph = {
      inputs: [{ name: 'x', type: { optional: { type: { tensor: { datatype: 16 } } } } }],
      outputs: [{ name: 'y', type }, { name: 'z' }],
    }
    const { inputs, outputs } = readModel(encode(grammar, 'model', { opsets: [{ version: 17 }], graph }))
    expect(inputs.map(({ type }) => type)).toEqual([{ kind: 'optional', text: 'optional(tensor(bfloat16))' }])
    expect(outputs.map(({ type }) => type)).toEqual([
      { kind: 'sequence', text: 'seq(map(int64,tensor(float)))' },
      { kind: 'unknown', text: 'unknown' },
    ])
  })

  test('reads windows of a file as it reads the whole, and passes over the payload of tensors', async () => {
    const big = createTensor('FP32', [1_000_000], new Float32Array(1_000_000))
    const graph = { ...small.graph, initializers: { ...small.graph.initializers, big } }
    const bytes = encodeModel({ ...small, graph })
    let read = 0
    const model = await readModelWindows(bytes.length, async (offset, length) => {
      read += length
      return bytes.subarray(offset, offset + length)
    })
    expect(model).toEqual(readModel(bytes))
    expect(read).toBeLessThan(4 * 64 * 1024)
  })

  test('reads windows of any size the same', async () => {
    const bytes = encodeModel(small)
    const whole = readModel(bytes)
    for (const extra of [0, 1, 7]) {
      const read = async (offset: number, length: number): Promise<Uint8Array> =>
        bytes.slice(offset, Math.min(offset + Math.min(length, 40) + extra, bytes.length))
      expect(await readModelWindows(bytes.length, read)).toEqual(whole)
    }
  })

  test('what the writer writes, the reader reads', () => {
    const name = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
    const dimension = fc.oneof(fc.nat(1000), fc.constant(-1), name)
    const signature = fc.record({
      datatype: fc.constantFrom('FP32', 'INT64', 'BYTES', 'BOOL', 'FP16'),
      shape: fc.array(dimension, { maxLength: 5 }),
    })
    const weights = fc.array(fc.float(), { maxLength: 20 }).map((values) => Float32Array.from(values))
    const model = fc.record({
      names: fc.uniqueArray(name, { minLength: 4, maxLength: 12 }),
      signatures: fc.array(signature, { minLength: 12, maxLength: 12 }),
      weights,
      opset: fc.integer({ min: 7, max: 26 }),
      floats: fc.array(fc.float()),
      integers: fc.array(fc.maxSafeInteger()),
    })
    fc.assert(
      fc.property(model, ({ names, signatures, weights, opset, floats, integers }) => {
        const [stored = '', made = '', ...given] = names
        const inputs = given.map((name, i) => ({ name, ...(signatures[i] ?? { datatype: 'FP32' as const }) }))
        const attributes = { floats: { floats }, integers: { integers }, text: { text: stored } }
        const bytes = encodeModel({
          opsets: { '': opset },
          graph: {
            name: 'g',
            nodes: [{ operator: 'Sum', inputs: [...given, stored], outputs: [made], attributes }],
            initializers: { [stored]: createTensor('FP32', [weights.length], weights) },
            inputs,
            outputs: [{ name: made, datatype: 'FP32' }],
          },
        })
        const read = readModel(bytes)
        const signaturesRead = read.inputs.map(({ name, type }) => ({
          name,
          datatype: type.datatype?.datatype,
          shape: type.shape,
        }))
        expect(signaturesRead).toEqual(inputs)
        expect(read.outputs.map((output) => output.name)).toEqual([made])
        expect(read.opsets).toEqual([{ domain: 'ai.onnx', version: opset }])
        expect(read.initializers).toMatchObject([{ name: stored, dims: [weights.length] }])
      }),
      { seed: 20261124 },
    )
  })
})
