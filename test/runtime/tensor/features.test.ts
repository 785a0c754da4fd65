import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Datatype } from '../../../runtime/contract/datatype.ts'
import type { Description, Feature } from '../../../runtime/contract/description.ts'
import type { ErrorCode } from '../../../runtime/errors.ts'
import { buildProfileSpec } from '../../../runtime/telemetry/baseline.ts'
import { openProfile } from '../../../runtime/telemetry/profile.ts'
import { encodeRecords, recordValues, tensorValues } from '../../../runtime/tensor/features.ts'
import { createTensor } from '../../../runtime/tensor/tensor.ts'
import { describing, refusal } from '../../fixtures/descriptions.ts'

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
