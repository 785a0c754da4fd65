import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Feature } from '../../../runtime/contract/description.ts'
import { readRows } from '../../../server/cli/records.ts'
import { renderCsv, renderScores } from '../../../server/cli/score.ts'

const features: Feature[] = [
  { name: 'mass', kind: 'numeric', input: 'x', index: 0 },
  { name: 'island', kind: 'categorical', values: ['Dream', 'Biscoe'], encoding: 'onehot', input: 'x', index: 1 },
]
const who = { deployment: 'blue', version: 1, provider: 'cpu' }

describe('rows to score', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'selvedge-rows-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  async function read(content: string, unitColumn?: string, known: readonly Feature[] | undefined = features) {
    const file = join(folder, 'rows')
    await writeFile(file, content)
    return await readRows(file, known, unitColumn)
  }

  test('come from CSV, with the columns that are no features named', async () => {
    expect(await read('id,mass,island,target\n7,3750,Dream,A\n8,,Biscoe,B\n', 'id')).toEqual({
      records: [
        { mass: 3750, island: 'Dream' },
        { mass: null, island: 'Biscoe' },
      ],
      units: ['7', '8'],
      leftOut: ['id', 'target'],
      absent: [],
    })
  })

  test.each([
    ['an array', '[{"mass":1,"id":"u"},{"mass":2,"id":"u"}]'],
    ['what the scoring server takes', '{"records":[{"mass":1,"id":"u"},{"mass":2,"id":"u"}]}'],
    ['one record a line', '{"mass":1,"id":"u"}\n{"mass":2,"id":"u"}\n'],
  ])('come from JSON: %s', async (_, content) => {
    expect(await read(content, 'id')).toEqual({
      records: [{ mass: 1 }, { mass: 2 }],
      units: ['u', 'u'],
      leftOut: ['id'],
      absent: [],
    })
  })

  test('one record may stand alone', async () => {
    expect((await read('{"mass":1}')).records).toEqual([{ mass: 1 }])
  })

  test.each([
    ['[1,2]', undefined, 'want JSON records'],
    ['{"mass":', undefined, 'want JSON records'],
    ['mass,island\n1,Dream\n', 'user', 'no column "user"'],
    ['[{"mass":1}]', 'user', 'row 1: no unit in "user"'],
    ['mass,island\n1\n', undefined, 'expect 2, got 1 on line 2'],
  ])('%j is refused', async (content, unitColumn, why) => {
    await expect(read(content, unitColumn)).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringContaining(why),
    })
  })

  test('of a CSV without the column of a feature lack it, and say so', async () => {
    expect(await read('mass,wings\n1,2\n')).toEqual({ records: [{ mass: 1 }], leftOut: ['wings'], absent: ['island'] })
  })

  test('of a CSV without any feature are refused', async () => {
    await expect(read('wings\n2\n')).rejects.toMatchObject({
      code: 'FEATURE_INVALID',
      message: 'no column is a feature: the header has wings; the features are mass, island',
    })
  })

  test('a CSV is refused where the endpoint takes tensors alone', async () => {
    const file = join(folder, 'rows')
    await writeFile(file, 'mass\n1\n')
    await expect(readRows(file, undefined, undefined)).rejects.toMatchObject({ code: 'NO_FEATURES' })
  })
})

describe('scores', () => {
  const rows = [
    { prediction: { class: 'Adelie', scores: { Adelie: 0.98765432, 'Chinstrap, wild': 0.01234568 } }, ...who },
    {
      prediction: { class: 'Chinstrap, wild', scores: { Adelie: 0, 'Chinstrap, wild': 1 } },
      ...who,
      deployment: 'green',
    },
  ]

  test('are a table with a column a class', () => {
    expect(renderScores(rows)).toBe(
      [
        'ROW  CLASS              ADELIE  CHINSTRAP, WILD  DEPLOYMENT  VERSION  PROVIDER',
        '  1  Adelie           0.987654         0.012346  blue              1  cpu',
        '  2  Chinstrap, wild         0                1  green             1  cpu',
        '',
      ].join('\n'),
    )
  })

  test('are CSV with every digit and quotes where they are needed', () => {
    expect(renderCsv(rows)).toBe(
      [
        'row,class,Adelie,"Chinstrap, wild",deployment,version,provider',
        '1,Adelie,0.98765432,0.01234568,blue,1,cpu',
        '2,"Chinstrap, wild",0,1,green,1,cpu',
        '',
      ].join('\n'),
    )
  })

  test('of a regression are values', () => {
    expect(renderScores([{ prediction: { value: 12.5 }, ...who }])).toBe(
      'ROW  VALUE  DEPLOYMENT  VERSION  PROVIDER\n  1   12.5  blue              1  cpu\n',
    )
  })
})
