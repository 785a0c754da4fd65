import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Feature } from '../../../../runtime/contract/description.ts'
import { openRowFile } from '../../../../server/cli/rows/file.ts'
import { readRecords } from '../../../../server/cli/rows/records.ts'
import type { Row } from '../../../../server/cli/rows/row.ts'
import { surveyRows } from '../../../../server/cli/rows/survey.ts'

const age: Feature = { name: 'age', kind: 'numeric', input: 'x', index: 0 }
const land: Feature = {
  name: 'land',
  kind: 'categorical',
  values: ['1', 'NA', 'no'],
  encoding: 'onehot',
  input: 'x',
  index: 1,
}

describe('a file of rows', () => {
  let folder: string
  const at = (name: string) => join(folder, name)
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-rows-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  async function rowsOf(content: string | Uint8Array): Promise<Row[]> {
    await writeFile(at('rows'), content)
    const rows: Row[] = []
    for await (const batch of (await openRowFile(at('rows'))).read()) rows.push(...batch)
    return rows
  }

  async function recordsOf(content: string | Uint8Array): Promise<unknown[]> {
    await writeFile(at('rows'), content)
    const file = await openRowFile(at('rows'))
    const records: unknown[] = []
    for await (const batch of readRecords(file, await surveyRows(file), [age, land])) records.push(...batch.records)
    return records
  }

  const parquet = (options: Partial<Parameters<typeof parquetWriteBuffer>[0]> = {}) =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'age', data: [4, null, 7], type: 'DOUBLE' },
          { name: 'land', data: ['NA', 'no', null], type: 'STRING' },
        ],
        ...options,
      }),
    )
  const wanted = [
    { age: 4, land: 'NA' },
    { age: null, land: 'no' },
    { age: 7, land: null },
  ]

  test('is CSV, JSON lines or Parquet by what it begins with', async () => {
    expect(await recordsOf('age,land\n4,NA\n,no\n7,\n')).toEqual(wanted)
    expect(await recordsOf(wanted.map((row) => JSON.stringify(row)).join('\n'))).toEqual(wanted)
    expect(await recordsOf(parquet())).toEqual(wanted)
  })

  test('of Parquet may be in several row groups', async () => {
    expect(await recordsOf(parquet({ rowGroupSize: 2 }))).toEqual(wanted)
  })

  test.each([
    ['UNCOMPRESSED', undefined],
    ['SNAPPY', undefined],
    ['GZIP', gzipSync],
    ['BROTLI', brotliCompressSync],
    ['ZSTD', zstdCompressSync],
  ] as const)('of Parquet may be compressed: %s', async (codec, compress) => {
    const compressors = compress && { [codec]: (bytes: Uint8Array) => new Uint8Array(compress(bytes)) }
    const columnData = [
      { name: 'age', data: Array.from({ length: 3000 }, (_, i) => i % 50), type: 'DOUBLE' as const },
      {
        name: 'land',
        data: Array.from({ length: 3000 }, (_, i) => (i % 2 === 0 ? 'no' : 'NA')),
        type: 'STRING' as const,
      },
    ]
    const content = parquet({ columnData, codec, ...(compressors && { compressors }) })
    expect(await recordsOf(content)).toEqual(
      Array.from({ length: 3000 }, (_, i) => ({ age: i % 50, land: i % 2 === 0 ? 'no' : 'NA' })),
    )
  })

  test('of integers and booleans gives numbers to a numeric feature and text to a categorical one', async () => {
    const columnData = [
      { name: 'age', data: [3n, 5n], type: 'INT64' as const },
      { name: 'land', data: [1, 2], type: 'INT32' as const },
    ]
    expect(await recordsOf(parquet({ columnData }))).toEqual([
      { age: 3, land: '1' },
      { age: 5, land: '2' },
    ])
    expect(await recordsOf('{"age":true,"land":1}\n{"land":false}\n')).toEqual([
      { age: 1, land: '1' },
      { age: null, land: 'false' },
    ])
  })

  test.each([
    ['age,land\nold,no\n', 'row 1, column "age": got text, want a number'],
    ['{"age":4,"land":["no"]}\n', 'row 1, column "land": got a list or record, want a text'],
    ['{"age":4,"land":"no"}\n[1]\n', 'line 2 is no JSON record'],
    ['age,land\n4\n', 'expect 2, got 1'],
    ['land\nno\n', 'no column "age"; the file has: land'],
    ['PAR1 and then nothing', 'the Parquet file: '],
    ['', 'the CSV file is empty'],
  ])('%j is refused with the place', async (content, why) => {
    await expect(recordsOf(content)).rejects.toMatchObject({
      code: 'BASELINE_INVALID',
      message: expect.stringContaining(why),
    })
  })

  test('that is not there is refused', async () => {
    await expect(openRowFile(at('none'))).rejects.toMatchObject({ code: 'USAGE' })
  })

  test('gives all its rows in batches, and all again', async () => {
    const content = `n\n${Array.from({ length: 5000 }, (_, i) => i).join('\n')}\n`
    expect((await rowsOf(content)).map(({ n }) => Number(n))).toEqual(Array.from({ length: 5000 }, (_, i) => i))
    const file = await openRowFile(at('rows'))
    for (let again = 0; again < 2; again++) expect((await surveyRows(file)).rows).toBe(5000)
  })

  test('tells of each column whether it is numeric, counts the rows, and what categories it has', async () => {
    await writeFile(at('rows'), 'id,a,b,c\n7,1,x,\n8,,y,NA\n9,2,x,\n')
    const { rows, columns } = await surveyRows(await openRowFile(at('rows')))
    expect(rows).toBe(3)
    expect(Object.fromEntries(columns)).toEqual({
      id: { isNumeric: true, isRowNumber: true, values: ['7', '8', '9'], filled: 3 },
      a: { isNumeric: true, isRowNumber: false, values: ['1', '2'], filled: 2 },
      b: { isNumeric: false, isRowNumber: false, values: ['x', 'y'], filled: 3 },
      c: { isNumeric: false, isRowNumber: false, values: [], filled: 0 },
    })
  })
})
