import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ProfileSpec, profileSpec } from '../../../runtime/contract/profile-spec.ts'
import { addCounts, type Counts, cellNames, openProfile } from '../../../runtime/telemetry/profile.ts'

const spec: ProfileSpec = profileSpec.parse({
  features: [
    { name: 'age', kind: 'numeric', edges: [18, 40.5, 65], points: [0, 99], counts: new Array(10).fill(0) },
    { name: 'sex', kind: 'categorical', values: ['female', 'male'], counts: new Array(5).fill(0) },
  ],
  outputs: [{ name: 'value', kind: 'numeric', edges: [], points: [], counts: new Array(5).fill(0) }],
})

function countsOf(rows: readonly Record<string, unknown>[]): Counts {
  const profile = openProfile(spec)
  for (const row of rows) {
    profile.countRow(row)
    profile.countOutput(row)
  }
  return profile.counts()
}

function ageCell(value: unknown): number {
  return countsOf([{ age: value }]).counts.age?.indexOf(1) ?? -1
}

describe('a numeric value is counted', () => {
  test.each([
    ['below the first edge', -1, 0],
    ['just below the first edge', 17.999998, 0],
    ['on an edge, in the bin above it', 18, 1],
    ['between two edges', 30, 1],
    ['on the next edge', 40.5, 2],
    ['on the last edge, above it', 65, 3],
    ['far above', 1e30, 3],
    ['at a point, there alone', 0, 4],
    ['at minus zero, as zero', -0, 4],
    ['at the other point', 99, 5],
    ['null', null, 6],
    ['absent', undefined, 6],
    ['NaN', Number.NaN, 7],
    ['infinity', Number.POSITIVE_INFINITY, 8],
    ['minus infinity', Number.NEGATIVE_INFINITY, 8],
    ['a double that float32 cannot hold, as its tensor would be', 1e300, 8],
    ['text', '30', 9],
    ['a boolean', true, 9],
    ['an object', {}, 9],
    ['a 64-bit integer', 30n, 1],
  ])('%s', (_, value, cell) => {
    expect(ageCell(value)).toBe(cell)
  })

  test('after rounding to float32, as its tensor holds it', () => {
    // The doubles nearest to 18 from below round to 18 as float32.
    expect(ageCell(18 - 2 ** -48)).toBe(1)
    // Half a step of float32 below 18 is 2^-20; more than that stays below.
    expect(ageCell(18 - 2 ** -19)).toBe(0)
  })
})

describe('a category is counted', () => {
  test.each([
    ['among the values', 'male', 1],
    ['as other', 'diverse', 2],
    ['null', null, 3],
    ['absent', undefined, 3],
    ['as the text of a number', 3, 2],
    ['NaN', Number.NaN, 4],
    ['an object', {}, 4],
  ])('%s', (_, value, cell) => {
    expect(countsOf([{ sex: value }]).counts.sex?.indexOf(1)).toBe(cell)
  })
})

describe('a profile', () => {
  test('counts every row once in every feature and passes over names that the spec does not hold', () => {
    expect(countsOf([{ age: 30, sex: 'male', value: 1, zip: '12345' }, {}])).toEqual({
      rows: 2,
      counts: { age: [0, 1, 0, 0, 0, 0, 1, 0, 0, 0], sex: [0, 1, 0, 1, 0] },
      outputs: { value: [1, 1, 0, 0, 0] },
    })
  })

  test('counts outputs apart from rows', () => {
    const profile = openProfile(spec)
    profile.countOutput({ value: 1 })
    expect(profile.counts().rows).toBe(0)
  })

  test('gives copies: what was read does not change with later rows', () => {
    const profile = openProfile(spec)
    const before = profile.counts()
    profile.countRow({ age: 30 })
    expect(before.counts.age).toEqual(new Array(10).fill(0))
  })

  test('AP-13: takes no value from a prototype', () => {
    const names = ['constructor', '__proto__', 'toString']
    const odd: ProfileSpec = {
      features: names.map((name) => ({ name, kind: 'categorical', values: ['a'], counts: [0, 0, 0, 0] })),
      outputs: [],
    }
    const profile = openProfile(odd)
    profile.countRow(JSON.parse('{"__proto__":"a"}'))
    expect(Object.entries(profile.counts().counts)).toEqual([
      ['constructor', [0, 0, 1, 0]],
      ['__proto__', [1, 0, 0, 0]],
      ['toString', [0, 0, 1, 0]],
    ])
  })
})

describe('profiles added up', () => {
  const value = fc.oneof(fc.double(), fc.constantFrom(0, 18, 40.5, 65, 99, null), fc.string())
  const rows = fc.array(fc.record({ age: value, sex: fc.constantFrom('female', 'male', 'x', null), value }), {
    minLength: 1,
    maxLength: 60,
  })

  test('are the same integers in any grouping and order of their rows', () => {
    fc.assert(
      fc.property(rows, fc.array(fc.nat(), { minLength: 60, maxLength: 60 }), (all, keys) => {
        const shuffled = all
          .map((row, i) => ({ row, key: keys[i] ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ row }) => row)
        const groups = new Map<number, Record<string, unknown>[]>()
        for (const [i, row] of shuffled.entries()) {
          const group = (keys[i] ?? 0) % 5
          groups.set(group, [...(groups.get(group) ?? []), row])
        }
        expect([...groups.values()].map(countsOf).reduce(addCounts)).toEqual(countsOf(all))
      }),
    )
  })

  test('are refused where a feature has other cells', () => {
    const other = { rows: 1, counts: { age: [0, 1, 0], sex: [0, 0, 0, 0, 0] }, outputs: { value: [0, 0, 0, 0, 0] } }
    expect(() => addCounts(countsOf([]), other)).toThrow(
      expect.objectContaining({ code: 'EDGES_DIFFER', message: '"age": 10 cells on one side, 3 on the other' }),
    )
  })

  test('are refused where a feature is on one side only', () => {
    const none = { rows: 0, counts: {}, outputs: {} }
    expect(() => addCounts(countsOf([]), none)).toThrow(expect.objectContaining({ code: 'EDGES_DIFFER' }))
    expect(() => addCounts(none, countsOf([]))).toThrow(expect.objectContaining({ code: 'EDGES_DIFFER' }))
  })
})

describe('names of cells', () => {
  test('say the bins of a number with as few digits as name them', () => {
    const edges = [Math.fround(0.1), 18, 40.5]
    expect(cellNames({ name: 'x', kind: 'numeric', edges, points: [Math.fround(1 / 3)], counts: [] })).toEqual([
      'below 0.1',
      '0.1 to 18',
      '18 to 40.5',
      '40.5 and up',
      '= 0.33333334',
      'null',
      'NaN',
      'infinite',
      'wrong type',
    ])
  })

  test('say that any number counts where there are no edges', () => {
    expect(cellNames({ name: 'x', kind: 'numeric', edges: [], points: [], counts: [] })[0]).toBe('any number')
  })

  test('are the values of a category, other, null and wrong type', () => {
    expect(cellNames({ name: 'x', kind: 'categorical', values: ['b', 'a'], counts: [] })).toEqual([
      'b',
      'a',
      'other',
      'null',
      'wrong type',
    ])
  })
})
