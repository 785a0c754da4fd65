import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Feature } from '../../../runtime/contract/description.ts'
import { parseNumber, readTable, tableRecords } from '../../../server/cli/csv.ts'

const read = (text: string) => readTable(Readable.from([text]), 'BASELINE_INVALID')

const age: Feature = { name: 'age', kind: 'numeric', input: 'x', index: 0 }
const sex: Feature = {
  name: 'sex',
  kind: 'categorical',
  values: ['NA', 'f', 'm'],
  encoding: 'onehot',
  input: 'x',
  index: 1,
}

describe('a CSV file', () => {
  test('keeps quoted commas and line ends, and drops the mark at its start', async () => {
    expect(await read('\ufeffa,"b,c"\r\n1,"two\nlines"\r\n\r\n3,4\r\n')).toEqual({
      columns: ['a', 'b,c'],
      rows: [
        ['1', 'two\nlines'],
        ['3', '4'],
      ],
    })
  })

  test.each([
    ['a,b\n1\n', 'expect 2, got 1 on line 2'],
    ['a,a\n1,2\n', 'twice'],
    ['', 'empty'],
    ['a,b\n1,"2\n', 'Quote'],
  ])('%j is refused', async (text, why) => {
    await expect(read(text)).rejects.toMatchObject({ code: 'BASELINE_INVALID', message: expect.stringContaining(why) })
  })

  test('a column named __proto__ is a column like any other', async () => {
    const table = await read('__proto__,age\n1,2\n')
    expect(tableRecords(table, [age], 'BASELINE_INVALID')).toEqual([{ age: 2 }])
    expect(({} as Record<string, unknown>)['1']).toBeUndefined()
  })
})

describe('records of a table', () => {
  test('have numbers, texts, and null where a value is missing', async () => {
    const table = await read('age,sex,other\n4,f,x\n,m,x\nNaN,,x\n1e2,NA,x\n')
    expect(tableRecords(table, [age, sex], 'BASELINE_INVALID')).toEqual([
      { age: 4, sex: 'f' },
      { age: null, sex: 'm' },
      { age: null, sex: null },
      { age: 100, sex: 'NA' },
    ])
  })

  test('are refused with row and column where a number is a text', async () => {
    const table = await read('age\n4\nold\n')
    expect(() => tableRecords(table, [age], 'BASELINE_INVALID')).toThrow('row 2, column "age": got text, want a number')
  })

  test('are refused where a feature has no column', async () => {
    const table = await read('sex\nf\n')
    expect(() => tableRecords(table, [age], 'BASELINE_INVALID')).toThrow('no column "age"; the header has: sex')
  })
})

describe('numbers in a CSV file', () => {
  test.each([
    ['1', 1],
    [' -1.5e-3 ', -0.0015],
    ['.5', 0.5],
    ['+2.', 2],
    ['', undefined],
    ['0x10', undefined],
    ['Infinity', undefined],
    ['1,5', undefined],
    ['1_000', undefined],
  ])('%j is %s', (text, value) => expect(parseNumber(text)).toBe(value))
})
