import { describe, expect, test } from 'vitest'
import type { TensorSignature } from '../../../../runtime/contract/description.ts'
import type { Row } from '../../../../server/cli/rows/row.ts'
import { surveyRows } from '../../../../server/cli/rows/survey.ts'
import { chooseFeatures } from '../../../../server/cli/version/columns.ts'

const row: TensorSignature = { name: 'x', datatype: 'FP32', shape: ['N', 2] }
const numeric = (name: string, index: number, input = 'x') => ({ name, kind: 'numeric', input, index })
const survey = (columns: string[], ...rows: string[][]) =>
  surveyRows({
    columns,
    async *read() {
      yield rows.map((cells): Row => Object.fromEntries(columns.map((column, i) => [column, cells[i]])))
    },
  })
const header = ['MedInc', 'city', 'Age', 'target']
const cells = [
  ['1.5', 'Rome', '3', '0'],
  ['2', 'Oslo', '', '1'],
]
const exact = await survey(header, ...cells)

describe('features made from the columns of a baseline', () => {
  test('are the numeric columns without the outcome, where there are exactly as many as the input has', () => {
    expect(chooseFeatures([row], exact, { outcome: 'target' })).toEqual([numeric('MedInc', 0), numeric('Age', 1)])
  })

  test('are refused where there are more, with the flag that settles it', async () => {
    const table = await survey(['id', ...header], ...cells.map((row, i) => [String(i), ...row]))
    expect(() => chooseFeatures([row], table, { outcome: 'target' })).toThrow(
      'the model takes 2 columns and the file has 3 numeric ones (id, MedInc, Age): say which, in the order of training, such as --features MedInc,Age',
    )
  })

  test('are refused where there are fewer', async () => {
    const table = await survey(['a'], ['1'], ['3'])
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

  test('are never of free text, which is refused with a reason', async () => {
    const names = await survey(['Name'], ...Array.from({ length: 891 }, (_, i) => [`Passenger ${i}`]))
    const input: TensorSignature = { name: 'Name', datatype: 'BYTES', shape: [-1, 1] }
    expect(() => chooseFeatures([input], names, {})).toThrow(
      'column "Name" is free text (891 different texts in 891 rows), and no feature',
    )
    const streets = await survey(['Name'], ...Array.from({ length: 891 }, (_, i) => [`Street ${i % 200}`]))
    expect(chooseFeatures([input], streets, {})?.[0]).toMatchObject({ kind: 'categorical' })
  })

  test('are left to the author where the input is an image', () => {
    expect(chooseFeatures([{ name: 'x', datatype: 'FP32', shape: ['N', 1, 28, 28] }], exact, {})).toBeUndefined()
  })
})
