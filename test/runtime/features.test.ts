import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { buildProfileSpec } from '../../runtime/baseline.ts'
import type { Datatype } from '../../runtime/contract/datatype.ts'
import { type Description, description, type Feature, type OutputMeaning } from '../../runtime/contract/description.ts'
import type { ErrorCode } from '../../runtime/errors.ts'
import { encodeRecords, recordValues, tensorValues } from '../../runtime/features.ts'
import { decodePredictions, outputTensorValues, outputValues, type Prediction } from '../../runtime/predictions.ts'
import { openProfile } from '../../runtime/profile.ts'
import { createTensor } from '../../runtime/tensor.ts'

function describing(parts: Partial<Description>): Description {
  return description.parse({
    inputs: [{ name: 'x', datatype: 'FP32', shape: ['N', 4] }],
    outputs: [{ name: 'p', datatype: 'FP32' }],
    variants: [{ id: 'fp32', file: 'model.onnx', providers: ['cpu'] }],
    ...parts,
  })
}

function input(datatype: Datatype, shape: Description['inputs'][number]['shape']): Description['inputs'] {
  return [{ name: 'x', datatype, ...(shape && { shape }) }]
}

const age: Feature = { name: 'age', kind: 'numeric', input: 'x', index: 0 }
const sex: Feature = {
  name: 'sex',
  kind: 'categorical',
  values: ['female', 'male'],
  encoding: 'onehot',
  input: 'x',
  index: 1,
}
const port: Feature = {
  name: 'port',
  kind: 'categorical',
  values: ['1', '2', '3'],
  encoding: 'ordinal',
  input: 'x',
  index: 3,
}
const passengers = describing({ features: [age, sex, port] })

function refusal(run: () => unknown): { code: ErrorCode; message: string } | undefined {
  try {
    run()
  } catch (error) {
    const { code, message } = error as { code: ErrorCode; message: string }
    return { code, message }
  }
}

describe('records become tensors', () => {
  test('with a column for a number, one a value for onehot and the place for ordinal', () => {
    expect(encodeRecords(passengers, [{ age: 30, sex: 'male', port: '3' }])).toEqual({
      x: createTensor('FP32', [1, 4], Float32Array.of(30, 0, 1, 2)),
    })
  })

  test('with NaN, zeros and -1 for what is missing and zeros and -1 for categories that are unknown', () => {
    const records = [
      {},
      { age: null, sex: null, port: null },
      { age: 1, sex: 'other', port: '9' },
      { sex: '', port: '' },
    ]
    expect(encodeRecords(passengers, records)).toEqual({
      x: createTensor(
        'FP32',
        [4, 4],
        Float32Array.of(Number.NaN, 0, 0, -1, Number.NaN, 0, 0, -1, 1, 0, 0, -1, Number.NaN, 0, 0, -1),
      ),
    })
  })

  test('with numbers and booleans taken for the text of a category', () => {
    const smoker: Feature = { ...sex, name: 'smoker', values: ['false', 'true'] }
    const model = describing({ features: [age, smoker, port] })
    expect(encodeRecords(model, [{ age: 1, smoker: true, port: 2 }]).x?.data).toEqual(Float32Array.of(1, 0, 1, 1))
  })

  test('of text for the encoding string, with an empty text for a missing category', () => {
    const name: Feature = { ...sex, encoding: 'string', index: 0 }
    const model = describing({ inputs: input('BYTES', ['N', 1]), features: [name] })
    expect(encodeRecords(model, [{ sex: 'male' }, {}, { sex: 'other' }])).toEqual({
      x: createTensor('BYTES', [3, 1], ['male', '', 'other']),
    })
  })

  test('for each input its own', () => {
    const model = describing({
      inputs: [
        { name: 'a', datatype: 'INT64', shape: ['N', 1] },
        { name: 'b', datatype: 'FP64', shape: ['N'] },
      ],
      features: [
        { ...age, input: 'a' },
        { name: 'fare', kind: 'numeric', input: 'b', index: 0 },
      ],
    })
    expect(
      encodeRecords(model, [
        { age: 30, fare: 7.25 },
        { age: 31n, fare: 8 },
      ]),
    ).toEqual({
      a: createTensor('INT64', [2, 1], BigInt64Array.of(30n, 31n)),
      b: createTensor('FP64', [2], Float64Array.of(7.25, 8)),
    })
  })

  test.each<[Description['inputs'][number]['shape'], number[]]>([
    [
      ['N', 4],
      [1, 4],
    ],
    [
      [-1, -1],
      [1, 4],
    ],
    [undefined, [1, 4]],
    [
      ['N', 1, 4],
      [1, 1, 4],
    ],
    [[4], [4]],
    [
      [1, 4],
      [1, 4],
    ],
  ])('of the shape %j as %j', (shape, encoded) => {
    const model = describing({ inputs: input('FP32', shape), features: [age, sex, port] })
    const tensors = encodeRecords(model, [{ age: 30, sex: 'male', port: '3' }])
    expect(tensors.x).toEqual(createTensor('FP32', encoded, Float32Array.of(30, 0, 1, 2)))
    expect(tensorValues(model, tensors)).toEqual([{ age: 30, sex: 'male', port: '3' }])
  })

  test.each<[Datatype, number | boolean, number]>([
    ['INT8', -128, -128],
    ['UINT8', 255, 255],
    ['INT16', -32_768, -32_768],
    ['UINT16', 65_535, 65_535],
    ['INT32', -2_147_483_648, -2_147_483_648],
    ['UINT32', 4_294_967_295, 4_294_967_295],
    ['BOOL', true, 1],
    ['FP16', 1.5, 0x3e00],
  ])('of %s with %j', (datatype, value, stored) => {
    const model = describing({ inputs: input(datatype, ['N', 1]), features: [age] })
    expect(Array.from(encodeRecords(model, [{ age: value }]).x?.data as ArrayLike<number>)).toEqual([stored])
  })
})

describe('records are refused', () => {
  const integers = (datatype: Datatype) => describing({ inputs: input(datatype, ['N', 1]), features: [age] })

  test.each<[string, Description, Record<string, unknown>, ErrorCode, string]>([
    [
      'with an unknown feature',
      passengers,
      { age: 1, agee: 2 },
      'FEATURE_UNKNOWN',
      'record 0 has "agee"; the features are "age", "sex", "port"',
    ],
    [
      'with a name that every object has',
      passengers,
      JSON.parse('{"__proto__":1}'),
      'FEATURE_UNKNOWN',
      'record 0 has "__proto__"; the features are "age", "sex", "port"',
    ],
    [
      'with text for a number',
      passengers,
      { age: '30' },
      'FEATURE_INVALID',
      'feature "age" of record 0: got a string, want a number',
    ],
    [
      'with an object for a category',
      passengers,
      { sex: {} },
      'FEATURE_INVALID',
      'feature "sex" of record 0: got a object, want text',
    ],
    [
      'with a double beyond float32',
      passengers,
      { age: 1e300 },
      'FEATURE_INVALID',
      'feature "age" of record 0: got 1e+300, beyond the largest number of FP32',
    ],
    [
      'SC-05: with 300 for INT8',
      integers('INT8'),
      { age: 300 },
      'FEATURE_INVALID',
      'feature "age" of record 0: got 300, want an integer from -128 to 127',
    ],
    [
      'SC-05: with 70,000 for FP16',
      integers('FP16'),
      { age: 70_000 },
      'FEATURE_INVALID',
      'feature "age" of record 0: got 70000, beyond the largest number of FP16',
    ],
    [
      'SC-05: with 2^53 for UINT64, of which doubles are not sure',
      integers('UINT64'),
      { age: 2 ** 53 },
      'FEATURE_INVALID',
      'feature "age" of record 0: got 9007199254740992, want an integer from 0 to 9007199254740991',
    ],
    [
      'with a fraction for an integer',
      integers('INT64'),
      { age: 1.5 },
      'FEATURE_INVALID',
      'feature "age" of record 0: got 1.5, want an integer from -9007199254740991 to 9007199254740991',
    ],
    [
      'with NaN for an integer',
      integers('INT64'),
      { age: Number.NaN },
      'FEATURE_INVALID',
      'feature "age" of record 0: got NaN, want an integer from -9007199254740991 to 9007199254740991',
    ],
    [
      'without a value for an integer',
      integers('INT64'),
      {},
      'FEATURE_INVALID',
      'feature "age" of record 0: got no value, which INT64 has no number for',
    ],
    [
      'without a category where the datatype has no -1',
      describing({ inputs: input('UINT8', ['N', 1]), features: [{ ...port, index: 0 }] }),
      {},
      'FEATURE_INVALID',
      'feature "port" of record 0: got a missing or unknown category, which UINT8 has no number for',
    ],
  ])('%s', (_, model, record, code, message) => {
    expect(refusal(() => encodeRecords(model, [record]))).toEqual({ code, message })
  })

  test('where the model takes one at once', () => {
    const model = describing({ inputs: input('FP32', [1, 4]), features: [age, sex, port] })
    expect(refusal(() => encodeRecords(model, [{}, {}]))).toEqual({
      code: 'SHAPE_MISMATCH',
      message: 'input "x": got 2 records, want 1 at once',
    })
  })

  test('where there are none', () => {
    expect(refusal(() => encodeRecords(passengers, []))).toEqual({
      code: 'SHAPE_MISMATCH',
      message: 'input "x": got 0 records, want at least 1',
    })
  })

  test('where an input has no features', () => {
    expect(refusal(() => encodeRecords(describing({}), [{}]))).toEqual({
      code: 'NO_FEATURES',
      message: 'input "x" has no features',
    })
  })

  test('where features and inputs do not fit: a gap, an overlap, a stray, a width, text in a number', () => {
    const messages = [
      [age, port],
      [age, sex, { ...port, index: 2 }],
      [age, sex, port, { ...age, name: 'more', input: 'y' }],
      [age, sex],
      [age, sex, { ...port, encoding: 'string' as const }],
    ].map((features) => refusal(() => encodeRecords(describing({ features }), [{}])))
    expect(messages).toEqual(
      [
        'column 1 of input "x" has no feature',
        'column 2 of input "x" has two features',
        'feature "more" stands in input "y", which is not there',
        'the features of input "x" fill 3 columns, its shape is [N,4]',
        'feature "port" does not fit input "x" of FP32',
      ].map((message) => ({ code: 'DESCRIPTION_INVALID', message })),
    )
  })
})

describe('a record and its tensor', () => {
  const record = fc.record({
    age: fc.oneof(fc.double({ noNaN: true, min: -1e30, max: 1e30 }), fc.integer({ min: 0, max: 99 })),
    sex: fc.constantFrom('female', 'male'),
    port: fc.constantFrom('1', '2', '3', 1, 2, 3),
  })

  test.each<Datatype>(['FP32', 'FP64', 'FP16'])('count the same integers in %s', (datatype) => {
    const model = describing({ inputs: input(datatype, ['N', 4]), features: [age, sex, port] })
    const records = datatype === 'FP16' ? record.filter((each) => Math.abs(each.age) < 65_000) : record
    fc.assert(
      fc.property(fc.array(records, { minLength: 1, maxLength: 100 }), (rows) => {
        const values = rows.map((row) => recordValues(model, row))
        const spec = buildProfileSpec({ features: model.features ?? [], rows: values, outputs: [] })
        const [byRecord, byTensor] = [openProfile(spec), openProfile(spec)]
        for (const row of values) byRecord.countRow(row)
        for (const row of tensorValues(model, encodeRecords(model, rows))) byTensor.countRow(row)
        expect(byTensor.counts()).toEqual(byRecord.counts())
      }),
    )
  })

  test('differ in what a tensor cannot tell: missing numbers are NaN, unknown categories null', () => {
    const rows = [{ age: null, sex: 'other', port: null }]
    expect(rows.map((row) => recordValues(passengers, row))).toEqual([{ age: null, sex: 'other', port: null }])
    expect(tensorValues(passengers, encodeRecords(passengers, rows))).toEqual([
      { age: Number.NaN, sex: null, port: null },
    ])
  })

  test('of text count the same, and an empty text is a missing one', () => {
    const name: Feature = { ...sex, encoding: 'string', index: 0 }
    const model = describing({ inputs: input('BYTES', ['N', 1]), features: [name] })
    const rows = [{ sex: 'male' }, { sex: 'other' }, { sex: '' }, {}]
    const values = [{ sex: 'male' }, { sex: 'other' }, { sex: null }, { sex: null }]
    expect(rows.map((row) => recordValues(model, row))).toEqual(values)
    expect(tensorValues(model, encodeRecords(model, rows))).toEqual(values)
  })

  test('of numbers that encode no category are of the wrong type', () => {
    const data = Float32Array.of(1, 1, 1, 7, 1, 0.5, 0, 1.5)
    expect(tensorValues(passengers, { x: createTensor('FP32', [2, 4], data) })).toEqual([
      { age: 1, sex: Number.NaN, port: Number.NaN },
      { age: 1, sex: Number.NaN, port: Number.NaN },
    ])
  })

  test('without features have nothing to count', () => {
    expect(tensorValues(describing({}), { x: createTensor('FP32', [1, 4], new Float32Array(4)) })).toEqual([])
  })
})

describe('predictions', () => {
  function predict(output: OutputMeaning, shape: number[], numbers: number[], declared?: number[]): Prediction[] {
    const model = describing({
      outputs: [{ name: 'p', datatype: 'FP32', ...(declared && { shape: declared }) }],
      output,
    })
    return decodePredictions(model, { p: createTensor('FP32', shape, Float32Array.from(numbers)) })
  }
  const classes = (...names: string[]): Extract<OutputMeaning, { kind: 'classification' }> => ({
    kind: 'classification',
    tensor: 'p',
    activation: 'none',
    classes: names,
  })

  test('name the class of the highest score, the first of equals, and all scores', () => {
    expect(predict(classes('a', 'b', 'c'), [2, 3], [0.25, 0.5, 0.25, 0.25, 0.375, 0.375])).toEqual([
      { class: 'b', scores: { a: 0.25, b: 0.5, c: 0.25 } },
      { class: 'b', scores: { a: 0.25, b: 0.375, c: 0.375 } },
    ])
  })

  test('of two classes go by the threshold, which is the least score of the second', () => {
    const output = { ...classes('low', 'high'), threshold: 0.25 }
    expect(predict(output, [2, 2], [0.75, 0.25, 0.875, 0.125]).map((each) => 'class' in each && each.class)).toEqual([
      'high',
      'low',
    ])
  })

  test('of two classes may stand in one column, which holds the score of the second', () => {
    const rows = [
      { class: 'low', scores: { low: 0.5, high: 0.5 } },
      { class: 'high', scores: { low: 0.25, high: 0.75 } },
    ]
    expect(predict(classes('low', 'high'), [2, 1], [0.5, 0.75])).toEqual(rows)
    expect(predict(classes('low', 'high'), [2], [0.5, 0.75])).toEqual(rows)
    expect(predict({ ...classes('low', 'high'), threshold: 0.5 }, [1, 1], [0.5])).toEqual([
      { class: 'high', scores: { low: 0.5, high: 0.5 } },
    ])
  })

  test('of one record may have no batch axis where the model says so', () => {
    expect(predict(classes('low', 'high'), [2], [0.25, 0.75], [2])).toEqual([
      { class: 'high', scores: { low: 0.25, high: 0.75 } },
    ])
  })

  test('of logits come from softmax, which large logits do not overflow', () => {
    // exp(ln 3) = 3: shares of 1, 3 and 4.
    const [first, second] = predict(
      { ...classes('a', 'b', 'c'), activation: 'softmax' },
      [2, 3],
      [0, Math.log(3), Math.log(4), 10_000, 9_000, 0],
    )
    expect(first).toMatchObject({ class: 'c' })
    expect(Object.values((first as { scores: object }).scores)).toEqual([
      expect.closeTo(1 / 8, 6),
      expect.closeTo(3 / 8, 6),
      expect.closeTo(4 / 8, 6),
    ])
    expect(second).toEqual({ class: 'a', scores: { a: 1, b: 0, c: 0 } })
  })

  test('of one logit come from the sigmoid', () => {
    for (const activation of ['sigmoid', 'softmax'] as const) {
      expect(predict({ ...classes('low', 'high'), activation }, [1, 1], [Math.log(3)])).toEqual([
        { class: 'high', scores: { low: expect.closeTo(0.25, 6), high: expect.closeTo(0.75, 6) } },
      ])
    }
  })

  test('of a regression are numbers', () => {
    expect(predict({ kind: 'regression', tensor: 'p' }, [3, 1], [1, 2, 3])).toEqual([
      { value: 1 },
      { value: 2 },
      { value: 3 },
    ])
    expect(predict({ kind: 'regression', tensor: 'p' }, [], [4])).toEqual([{ value: 4 }])
  })

  test('come from 64-bit integers too', () => {
    const model = describing({ output: { kind: 'regression', tensor: 'p' } })
    expect(decodePredictions(model, { p: createTensor('INT64', [1], BigInt64Array.of(7n)) })).toEqual([{ value: 7 }])
  })

  test('are refused where the output is NaN, is missing, is text or has another width', () => {
    const output = classes('a', 'b', 'c')
    const model = describing({ output })
    expect([
      refusal(() => predict(output, [2, 3], [1, 0, 0, Number.NaN, 0, 0])),
      refusal(() => predict(output, [1, 2], [1, 0])),
      refusal(() => decodePredictions(model, {})),
      refusal(() => decodePredictions(model, { p: createTensor('BYTES', [1, 3], ['a', 'b', 'c']) })),
      refusal(() => decodePredictions(passengers, {})),
    ]).toEqual([
      { code: 'RUN_FAILED', message: 'output "p" is NaN for record 1' },
      { code: 'NOT_SCORABLE', message: 'output "p": got FP32 [1,2], want 3 numbers a record' },
      { code: 'NOT_SCORABLE', message: 'output "p": got nothing, want 3 numbers a record' },
      { code: 'NOT_SCORABLE', message: 'output "p": got BYTES [1,3], want 3 numbers a record' },
      { code: 'NO_FEATURES', message: 'the description does not say what the output means' },
    ])
  })

  test('are counted by class and by the score of the second of two classes or of the class', () => {
    const two = describing({ output: classes('low', 'high') })
    const three = describing({ output: classes('a', 'b', 'c') })
    const value = describing({ output: { kind: 'regression', tensor: 'p' } })
    expect(outputValues(two, { class: 'low', scores: { low: 0.75, high: 0.25 } })).toEqual({
      class: 'low',
      score: 0.25,
    })
    expect(outputValues(three, { class: 'a', scores: { a: 0.75, b: 0.125, c: 0.125 } })).toEqual({
      class: 'a',
      score: 0.75,
    })
    expect(outputValues(value, { value: 3 })).toEqual({ value: 3 })
  })

  test('count the same from output tensors, where NaN is counted and not refused', () => {
    const two = describing({ output: classes('low', 'high') })
    const three = describing({ output: classes('a', 'b', 'c') })
    const value = describing({ output: { kind: 'regression', tensor: 'p' } })
    const floats = (shape: number[], ...numbers: number[]) => ({
      p: createTensor('FP32', shape, Float32Array.from(numbers)),
    })
    expect(outputTensorValues(two, floats([2, 2], 0.75, 0.25, Number.NaN, 1))).toEqual([
      { class: 'low', score: 0.25 },
      { class: null, score: Number.NaN },
    ])
    expect(outputTensorValues(three, floats([1, 3], 0.75, 0.125, 0.125))).toEqual([{ class: 'a', score: 0.75 }])
    expect(outputTensorValues(value, floats([1, 1], 3))).toEqual([{ value: 3 }])
    expect(outputTensorValues(value, {})).toEqual([])
    expect(outputTensorValues(passengers, floats([1], 1))).toEqual([])
  })

  test('keep a class that is called like a property of every object', () => {
    const [prediction] = predict(classes('__proto__', 'constructor'), [1, 2], [0.75, 0.25])
    expect(Object.entries((prediction as { scores: object }).scores)).toEqual([
      ['__proto__', 0.75],
      ['constructor', 0.25],
    ])
  })
})
