/** Models that must be refused before ONNX Runtime sees them; ids are rows of the threat matrix. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { limits } from '../../../runtime/limits.ts'
import { encode } from '../../../runtime/onnx/encoder.ts'
import { grammar } from '../../../runtime/onnx/grammar.ts'
import { constantBytes } from '../../../runtime/onnx/graph.ts'
import { readModel } from '../../../runtime/onnx/reader.ts'
import { encodeModel } from '../../../runtime/onnx/writer.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'

const type = { tensor: { datatype: 1, shape: { dimensions: [{ symbol: 'N' }] } } }
const abs = { operator: 'Abs', inputs: ['x'], outputs: ['y'] }

/** A model of one graph, in the words of the grammar, so that it can say what no writer would. */
function model(graph: Record<string, unknown>, rest: Record<string, unknown> = {}): Uint8Array {
  return encode(grammar, 'model', {
    irVersion: 8,
    opsets: [{ domain: '', version: 17 }],
    graph: { inputs: [{ name: 'x', type }], outputs: [{ name: 'y', type }], nodes: [abs], ...graph },
    ...rest,
  })
}

function refusal(bytes: Uint8Array, allowed = new Map<string, number>()): { code: string; message: string } {
  try {
    readModel(bytes, { allowed })
  } catch (error) {
    if (error instanceof SelvedgeError) return { code: error.code, message: error.message }
    throw error
  }
  return { code: 'none', message: '' }
}

describe('external data', () => {
  const outside = (location: string, entries: Record<string, string> = {}): Uint8Array =>
    model({
      initializers: [
        {
          name: 'w',
          dims: [4],
          dataType: 2,
          location: 1,
          external: Object.entries({ location, ...entries }).map(([key, value]) => ({ key, value })),
        },
      ],
    })

  test('a declared file is read as a reference with offset and length', () => {
    const { external, initializers } = readModel(outside('weights/w.bin', { offset: '8', length: '4' }), {
      allowed: new Map([['weights/w.bin', 12]]),
    })
    const reference = { name: 'w', location: 'weights/w.bin', offsetBytes: 8, lengthBytes: 4 }
    expect(external).toEqual([reference])
    expect(initializers[0]).toMatchObject({ name: 'w', dims: [4], declaredBytes: 4, external: reference })
  })

  test.each(['../x', 'a/../../x', '/etc/passwd', 'a//b', './w.bin', 'C:\\x', 'a\\..\\x', '', 'x\0'])(
    'RT-02 refuses the location %j even where it was declared',
    (location) => {
      expect(refusal(outside(location), new Map([[location, 1000]])).code).toBe('EXTERNAL_DATA')
    },
  )

  test('RT-02 refuses bytes past the end of the declared file', () => {
    expect(refusal(outside('w.bin', { offset: '9' }), new Map([['w.bin', 12]]))).toEqual({
      code: 'EXTERNAL_DATA',
      message: 'tensor "w" refers to bytes 9 to 13 of "w.bin", which has 12',
    })
  })

  test.each(['-1', '0x10', '1e3', '', '99999999999999999999'])('RT-02 refuses the offset %j', (offset) => {
    expect(refusal(outside('w.bin', { offset }), new Map([['w.bin', 12]])).code).toBe('EXTERNAL_DATA')
  })

  test('RT-02 refuses a length that is not that of the tensor', () => {
    expect(refusal(outside('w.bin', { length: '3' }), new Map([['w.bin', 12]])).code).toBe('EXTERNAL_DATA')
  })

  test('RT-03 refuses a file of the working directory, since it was not pushed', () => {
    expect(refusal(outside('package.json'))).toEqual({
      code: 'EXTERNAL_DATA',
      message: 'tensor "w" refers to the file "package.json", which was not pushed with the model',
    })
  })

  test('RT-03 refuses a reference that leaves the data location at its default', () => {
    const bytes = model({
      initializers: [{ name: 'w', dims: [4], dataType: 2, external: [{ key: 'location', value: 'package.json' }] }],
    })
    expect(refusal(bytes).code).toBe('EXTERNAL_DATA')
  })

  test('RT-03 refuses it in the attribute of a node, too', () => {
    const tensor = { name: 'w', dims: [4], dataType: 2, location: 1, external: [{ key: 'location', value: 'x' }] }
    const node = { operator: 'Constant', outputs: ['y'], attributes: [{ name: 'value', type: 4, tensor }] }
    expect(refusal(model({ nodes: [node] })).code).toBe('EXTERNAL_DATA')
  })

  test.each(['*/_ORT_MEM_ADDR_/*', '*\\_ORT_MEM_ADDR_\\*'])('RT-05 refuses an address of memory as %j', (location) => {
    expect(refusal(outside(location, { offset: '4096' }), new Map([[location, 1e9]])).code).toBe('EXTERNAL_DATA')
  })
})

describe('sizes of tensors', () => {
  test.each([
    ['10^9 elements with 4 bytes', [1e9]],
    ['2^62 elements', [2 ** 31, 2 ** 31]],
    ['a negative size', [-1]],
    ['33 dimensions', Array.from({ length: 33 }, () => 1)],
  ])('RT-06 refuses %s', (_, dims) => {
    const raw = new Uint8Array(4)
    expect(refusal(model({ initializers: [{ name: 'w', dims, dataType: 1, raw }] })).code).toBe('MODEL_INVALID')
  })

  test('RT-06 refuses values that are fewer than the shape wants, in every field', () => {
    for (const values of [{ floats: [1] }, { raw: new Uint8Array(4) }, {}]) {
      const { code } = refusal(model({ initializers: [{ name: 'w', dims: [2], dataType: 1, ...values }] }))
      expect(code).toBe('MODEL_INVALID')
    }
  })

  test('RT-06 names tensor, what came and what was wanted', () => {
    const { message } = refusal(model({ initializers: [{ name: 'w', dims: [2], dataType: 1, floats: [1] }] }))
    expect(message).toBe('tensor "w" has 1 values for float [2], want 2')
  })

  test.each([5e8, 1e10, 1.7e13])('RT-07 refuses ConstantOfShape [%d]', (size) => {
    const shape = createTensor('INT64', [1], BigInt64Array.of(BigInt(size)))
    const fill = { operator: 'ConstantOfShape', inputs: ['s'], outputs: ['y'] }
    const graph = { name: 'g', inputs: [], outputs: [] }
    const opsets = { '': 17 }
    const stored = encodeModel({ opsets, graph: { ...graph, nodes: [fill], initializers: { s: shape } } })
    expect(refusal(stored).code).toBe('MODEL_LIMIT')
    const node = { operator: 'Constant', inputs: [], outputs: ['s'], attributes: { value: { tensor: shape } } }
    expect(refusal(encodeModel({ opsets, graph: { ...graph, nodes: [node, fill] } })).code).toBe('MODEL_LIMIT')
  })

  test('RT-07 lets a constant of ordinary size pass', () => {
    const shape = createTensor('INT64', [1], BigInt64Array.of(BigInt(constantBytes / 4)))
    const nodes = [{ operator: 'ConstantOfShape', inputs: ['s'], outputs: ['y'] }]
    const graph = { name: 'g', nodes, initializers: { s: shape }, inputs: [], outputs: [] }
    expect(refusal(encodeModel({ opsets: { '': 17 }, graph })).code).toBe('none')
  })

  test('RT-07 refuses a sparse tensor that ONNX Runtime would make dense', () => {
    const values = { name: 'w', dims: [1], dataType: 1, floats: [1] }
    const indices = { dims: [1], dataType: 7, int64s: [0] }
    expect(refusal(model({ sparseInitializers: [{ values, indices, dims: [1e10] }] })).code).toBe('MODEL_LIMIT')
  })
})

describe('sizes of graphs', () => {
  test('RT-08 refuses 200,000 nodes after the cap', () => {
    const nodes = Array.from({ length: 200_000 }, (_, i) => ({
      operator: 'Abs',
      inputs: [i === 0 ? 'x' : `n${i - 1}`],
      outputs: [`n${i}`],
    }))
    expect(refusal(model({ nodes }))).toEqual({
      code: 'MODEL_LIMIT',
      message: `more than ${limits.graphNodes} nodes`,
    })
    expect(readModel(model({ nodes: nodes.slice(0, limits.graphNodes) })).nodes).toBe(limits.graphNodes)
  })

  test('RT-08 refuses more initializers than the cap', () => {
    const initializers = Array.from({ length: limits.graphInitializers + 1 }, (_, i) => ({
      name: `w${i}`,
      dims: [1],
      dataType: 1,
      floats: [1],
    }))
    expect(refusal(model({ initializers })).code).toBe('MODEL_LIMIT')
    expect(refusal(model({ initializers: initializers.slice(1) })).code).toBe('none')
  })

  test('RT-08 refuses a node of three million names', () => {
    // Field 1 of a node: one byte of text, "x".
    const node = new Uint8Array(9_000_000).map((_, i) => [0x0a, 1, 0x78][i % 3] as number)
    const raw = { ...grammar, graph: { 1: { name: 'node', form: 'bytes' } } } as const
    expect(refusal(encode(raw, 'model', { irVersion: 8, opsets: [{ version: 17 }], graph: { node } })).code).toBe(
      'MODEL_LIMIT',
    )
  })

  /** `If` inside `If`, built from the inside, since a writer that recurses could not. */
  function nested(levels: number): Uint8Array {
    let graph: Uint8Array = encode(grammar, 'graph', { nodes: [abs] })
    const raw = { ...grammar, attribute: { ...grammar.attribute, 6: { name: 'graph', form: 'bytes' } } } as const
    for (let level = 0; level < levels; level++) {
      graph = encode(raw, 'graph', {
        nodes: [{ operator: 'If', inputs: ['x'], outputs: ['y'], attributes: [{ name: 'then_branch', graph }] }],
      })
    }
    const whole = { ...grammar, model: { ...grammar.model, 7: { name: 'graph', form: 'bytes' } } } as const
    return encode(whole, 'model', { irVersion: 8, opsets: [{ version: 17 }], graph })
  }

  test('RT-09 reads If nested 20 and 32 deep and counts every level', () => {
    for (const levels of [20, limits.graphNesting]) {
      expect(readModel(nested(levels)).operators).toEqual([
        { domain: 'ai.onnx', name: 'Abs', count: 1 },
        { domain: 'ai.onnx', name: 'If', count: levels },
      ])
    }
  })

  test.each([33, 50, 1000])('RT-09 refuses If nested %d deep', (levels) => {
    expect(refusal(nested(levels))).toEqual({
      code: 'MODEL_LIMIT',
      message: `more than ${limits.graphNesting} graphs inside one another`,
    })
  })

  test('RT-09 refuses a type nested 1,000 deep', () => {
    const raw = { ...grammar, elementType: { 1: { name: 'type', form: 'bytes' } } } as const
    let type = encode(grammar, 'type', { tensor: { datatype: 1 } })
    for (let level = 0; level < 1000; level++) type = encode(raw, 'type', { sequence: { type } })
    const valued = { ...grammar, value: { ...grammar.value, 2: { name: 'type', form: 'bytes' } } } as const
    const graph = { inputs: [{ name: 'x', type }] }
    expect(refusal(encode(valued, 'model', { irVersion: 8, opsets: [{ version: 17 }], graph })).code).toBe(
      'MODEL_LIMIT',
    )
  })
})

describe('operators and names', () => {
  test('RT-11 refuses an operator of an unknown domain', () => {
    expect(refusal(model({ nodes: [{ ...abs, domain: 'com.example' }] }))).toEqual({
      code: 'OPERATOR_UNKNOWN',
      message: 'operator Abs of the domain "com.example", which is not known',
    })
  })

  test('a local function may have any domain', () => {
    const functions = [{ domain: 'com.example', name: 'Twice', inputs: ['a'], outputs: ['b'], nodes: [] }]
    const nodes = [{ ...abs, domain: 'com.example', operator: 'Twice' }]
    expect(readModel(model({ nodes }, { functions })).functions).toEqual([{ domain: 'com.example', name: 'Twice' }])
    expect(refusal(model({ nodes: [{ ...nodes[0], operator: 'Thrice' }] }, { functions })).code).toBe(
      'OPERATOR_UNKNOWN',
    )
  })

  test.each([
    ['opset 999', { opsets: [{ domain: '', version: 999 }] }, 'OPERATOR_UNKNOWN'],
    ['opset 999 under its long name', { opsets: [{ domain: 'ai.onnx', version: 999 }] }, 'OPERATOR_UNKNOWN'],
    ['an IR version of tomorrow', { irVersion: 14 }, 'OPERATOR_UNKNOWN'],
    ['no opset', { opsets: [] }, 'MODEL_INVALID'],
  ])('RT-11 refuses %s', (_, rest, code) => {
    expect(refusal(model({}, rest)).code).toBe(code)
  })

  test('RT-11 refuses a cycle', () => {
    const nodes = [
      { operator: 'Add', inputs: ['x', 'b'], outputs: ['a'] },
      { operator: 'Abs', inputs: ['a'], outputs: ['b'] },
      { operator: 'Abs', inputs: ['a'], outputs: ['y'] },
    ]
    expect(refusal(model({ nodes }))).toEqual({
      code: 'MODEL_INVALID',
      message: 'a cycle of nodes through the output "a"',
    })
  })

  test('nodes may stand in any order', () => {
    const nodes = [
      { operator: 'Abs', inputs: ['a'], outputs: ['y'] },
      { operator: 'Abs', inputs: ['x'], outputs: ['a'] },
    ]
    expect(refusal(model({ nodes })).code).toBe('none')
  })

  test.each([
    ['two outputs', { nodes: [abs, abs] }],
    ['an output and an input', { nodes: [{ ...abs, outputs: ['x'] }] }],
    [
      'two inputs',
      {
        inputs: [
          { name: 'x', type },
          { name: 'x', type },
        ],
      },
    ],
    [
      'two initializers',
      { initializers: [0, 1].map(() => ({ name: 'w', dims: [0], dataType: 1, raw: new Uint8Array() })) },
    ],
  ])('RT-11 refuses one name for %s', (_, graph) => {
    expect(refusal(model(graph)).code).toBe('MODEL_INVALID')
  })
})

describe('bytes that are no model', () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)

  test.each([
    ['RT-12 an ORT-format file', text('\x18\0\0\0ORTM\0\0\0\0')],
    ['nothing', new Uint8Array()],
    ['a ZIP archive', text('PK\x03\x04\x14\0\0\0')],
    ['text', text('<!doctype html><title>Not found</title>')],
    ['JSON', text('{"model":1}')],
    ['a second graph, which protobuf would merge', new Uint8Array([...model({}), ...model({})])],
    ['a known field of another wire type', Uint8Array.of(0x38, 1)],
    ['a group', Uint8Array.of(0x0b, 0x0c)],
    ['a number of eleven bytes', Uint8Array.of(0x08, ...new Array<number>(10).fill(0x80), 1)],
    ['a length past the end', Uint8Array.of(0x3a, 0x7f)],
    ['a name that is not UTF-8', Uint8Array.of(0x12, 1, 0xff)],
  ])('refuses %s', (_, bytes) => {
    expect(refusal(bytes).code).toBe('MODEL_INVALID')
  })

  test('every prefix of a model is refused', () => {
    const whole = model({ initializers: [{ name: 'w', dims: [2], dataType: 1, floats: [1, 2] }] })
    expect(refusal(whole).code).toBe('none')
    // The graph is the last message but one field short of the end: no prefix holds it whole.
    const graphEnd = whole.length - encode(grammar, 'model', { opsets: [{ domain: '', version: 17 }] }).length
    for (let length = 0; length < graphEnd; length++) {
      expect(refusal(whole.subarray(0, length)).code).toBe('MODEL_INVALID')
    }
  })

  test('RT-14 1,000 mutated models give a model or an error with a code', () => {
    const nodes = [
      { operator: 'Constant', inputs: [], outputs: ['s'], attributes: [{ name: 'value_ints', integers: [2, 3] }] },
      { operator: 'Reshape', inputs: ['x', 's'], outputs: ['a'] },
      { operator: 'Gemm', inputs: ['a', 'w'], outputs: ['y'], attributes: [{ name: 'alpha', float: 0.5 }] },
    ]
    const initializers = [{ name: 'w', dims: [3, 2], dataType: 1, floats: [1, 2, 3, 4, 5, 6] }]
    const whole = model({ nodes, initializers })
    const mutation = fc.record({
      at: fc.nat(whole.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
      drop: fc.nat(12),
    })
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), (mutations) => {
        let bytes: number[] = [...whole]
        for (const { at, bytes: other, drop } of mutations) {
          bytes = [...bytes.slice(0, at), ...other, ...bytes.slice(at + drop)]
        }
        refusal(Uint8Array.from(bytes))
      }),
      { numRuns: 1000, seed: 20261124 },
    )
  })
})
