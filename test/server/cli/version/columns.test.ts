import { describe, expect, test } from 'vitest'
import type { TensorSignature } from '../../../../runtime/contract/description.ts'
import { chooseFeatures } from '../../../../server/cli/version/columns.ts'

const row: TensorSignature = { name: 'x', datatype: 'FP32', shape: ['N', 2] }
const numeric = (name: string, index: number, input = 'x') => ({ name, kind: 'numeric', input, index })
const exact = {
  columns: ['MedInc', 'city', 'Age', 'target'],
  rows: [
    ['1.5', 'Rome', '3', '0'],
    ['2', 'Oslo', '', '1'],
  ],
}

describe('features made from the columns of a baseline', () => {
  test('are the numeric columns without the outcome, where there are exactly as many as the input has', () => {
    expect(chooseFeatures([row], exact, { outcome: 'target' })).toEqual([numeric('MedInc', 0), numeric('Age', 1)])
  })

  test('are refused where there are more, with the flag that settles it', () => {
    const table = { columns: ['id', ...exact.columns], rows: exact.rows.map((cells, i) => [String(i), ...cells]) }
    expect(() => chooseFeatures([row], table, { outcome: 'target' })).toThrow(
      'the model takes 2 columns and the file has 3 numeric ones (id, MedInc, Age): say which, in the order of training, such as --features MedInc,Age',
    )
  })

  test('are refused where there are fewer', () => {
    const table = { columns: ['a'], rows: [['1'], ['3']] }
    expect(() => chooseFeatures([row], table, {})).toThrow('the file has 1 numeric ones (a)')
  })

  test('are those that are named, in that order', () => {
    expect(chooseFeatures([row], exact, { names: ['Age', 'MedInc'] })).toEqual([
      numeric('Age', 0),
      numeric('MedInc', 1),
    ])
    expect(chooseFeatures([row], undefined, { names: ['a', 'b'] })).toEqual([numeric('a', 0), numeric('b', 1)])
  })

  test('are refused where the names do not fit the input or the file', () => {
    expect(() => chooseFeatures([row], exact, { names: ['Age'] })).toThrow('names 1 columns, input "x" has 2')
    expect(() => chooseFeatures([row], exact, { names: ['Age', 'Size'] })).toThrow('no column "Size"')
    const two: TensorSignature[] = [row, { name: 'y', datatype: 'FP32', shape: ['N', 2] }]
    expect(() => chooseFeatures(two, exact, { names: ['Age', 'MedInc'] })).toThrow('one input of floats')
  })

  test('are the inputs themselves where each is a column of the file', () => {
    const inputs: TensorSignature[] = [
      { name: 'Age', datatype: 'FP32', shape: [-1, 1] },
      { name: 'city', datatype: 'BYTES', shape: [-1, 1] },
    ]
    expect(chooseFeatures(inputs, exact, {})).toEqual([
      numeric('Age', 0, 'Age'),
      { name: 'city', kind: 'categorical', values: ['Oslo', 'Rome'], encoding: 'string', input: 'city', index: 0 },
    ])
  })

  test('are left to the author where the input is an image', () => {
    expect(chooseFeatures([{ name: 'x', datatype: 'FP32', shape: ['N', 1, 28, 28] }], exact, {})).toBeUndefined()
  })
})
