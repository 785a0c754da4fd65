/** Filters as users write them, and what of them reaches the database. */
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { Kysely, type RawBuilder, type SqliteDatabase, SqliteDialect, sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { type Comparison, type Field, type Filter, parseFilter } from '../../../registry/filter/grammar.ts'
import { filterCondition } from '../../../registry/store/sqlite/filter.ts'

describe('a filter', () => {
  test.each<[string, Filter]>([
    ["name = 'digits'", { field: { attribute: 'name' }, is: '=', value: 'digits' }],
    ["name LIKE 'dig%'", { field: { attribute: 'name' }, like: 'dig%', anyCase: false }],
    ["name NOT ILIKE 'Dig_'", { not: { field: { attribute: 'name' }, like: 'Dig_', anyCase: true } }],
    ['version_number > 3', { field: { attribute: 'version_number' }, is: '>', value: 3 }],
    ['team=vision', { field: { tag: 'team' }, is: '=', value: 'vision' }],
    ["tag.`the team` != 'it''s'", { field: { tag: 'the team' }, is: '!=', value: "it's" }],
    ['tag.stage IN ("a", \'b\')', { field: { tag: 'stage' }, in: ['a', 'b'] }],
    [
      "a=1 OR b=2 AND NOT (c=3 or d='4')",
      {
        or: [
          { field: { tag: 'a' }, is: '=', value: '1' },
          {
            and: [
              { field: { tag: 'b' }, is: '=', value: '2' },
              {
                not: {
                  or: [
                    { field: { tag: 'c' }, is: '=', value: '3' },
                    { field: { tag: 'd' }, is: '=', value: '4' },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
  ])('%s', (text, filter) => {
    expect(parseFilter(text)).toEqual(filter)
  })

  test.each([
    "' OR 1=1 --",
    "name = 'a' --",
    "name = 'a",
    "name = 'a'; DROP TABLE models",
    '',
    'name',
    'name =',
    "name LIKE 'a' OR",
    "(name = 'a'",
    'version_number > 1e9',
    "version_number = '3'",
    'name = digits',
    "name ~ 'a.*'",
    "AND name = 'a'",
    'tag.a IN ()',
    'name\u0000',
  ])('AP-10: %s is refused with the place', (text) => {
    expect(() => parseFilter(text)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }))
  })

  test('AP-10: one of a megabyte is refused before it is read', () => {
    expect(() => parseFilter(`name = '${'a'.repeat(1_000_000)}'`)).toThrow(/4096/)
  })

  test('AP-11: a pattern of many wildcards is refused', () => {
    expect(() => parseFilter(`name LIKE '${'a%'.repeat(1000)}!'`)).toThrow(/more than 8 %/)
  })

  test.each([
    ['parentheses', `${'('.repeat(1000)}a=1${')'.repeat(1000)}`],
    ['NOT', `${'NOT '.repeat(1000)}a=1`],
  ])('AP-12: 1,000 nested %s are refused', (_, text) => {
    expect(() => parseFilter(text)).toThrow(/nests deeper/)
  })

  test('AP-12: 300 values in one list are refused', () => {
    expect(() => parseFilter(`tag.a IN (${Array.from({ length: 300 }, () => "'x'").join(',')})`)).toThrow(/100/)
  })

  test('never throws anything but a refusal', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'nameAND OR()\'"`=<>!%_tag.1,NOTIN') }), (text) => {
        try {
          parseFilter(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_REQUEST' })
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a filter in the database', () => {
  const texts = fc.string({ unit: fc.constantFrom('a', 'A', 'b', '*', '?', '[', ']', "'", 'ä'), maxLength: 4 })
  const patterns = fc.string({ unit: fc.constantFrom('a', 'A', 'b', '%', '_', '*', '?', '[', 'ä'), maxLength: 5 })
  const comparisons = fc.constantFrom<Comparison>('=', '!=', '<', '<=', '>', '>=')
  const textFields = fc.constantFrom<Field>({ attribute: 'name' }, { tag: 'team' }, { tag: "it's" }, { tag: 'none' })
  const leaves = fc.oneof(
    fc.record({ field: textFields, is: comparisons, value: texts }),
    fc.record({
      field: fc.constant<Field>({ attribute: 'version_number' }),
      is: comparisons,
      value: fc.integer({ min: 0, max: 5 }),
    }),
    fc.record({ field: textFields, in: fc.array(texts, { minLength: 1, maxLength: 3 }) }),
    fc.record({ field: textFields, like: patterns, anyCase: fc.boolean() }),
  )
  const { filter } = fc.letrec<{ filter: Filter }>((tie) => ({
    filter: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaves,
      fc.record({ and: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }) }),
      fc.record({ or: fc.array(tie('filter'), { minLength: 2, maxLength: 3 }) }),
      fc.record({ not: tie('filter') }),
    ),
  }))
  const rows = fc.array(
    fc.record({
      name: texts,
      version: fc.integer({ min: 1, max: 4 }),
      tags: fc.dictionary(fc.constantFrom('team', "it's", '__proto__x'), texts, { maxKeys: 2 }),
    }),
    { minLength: 1, maxLength: 6 },
  )

  test('AP-10: finds what a plain reading of it finds in memory', async () => {
    const database = new DatabaseSync(':memory:')
    database.exec('CREATE TABLE things (id INTEGER, name TEXT, version INTEGER, tags TEXT)')
    const insert = database.prepare('INSERT INTO things VALUES (?, ?, ?, ?)')
    const db = new Kysely({ dialect: new SqliteDialect({ database: database as unknown as SqliteDatabase }) })
    const columns = {
      name: sql.ref('name'),
      version_number: sql.ref('version'),
      created_at: sql.ref('name'),
      tags: [sql.ref('tags')],
    }
    const found = (condition: RawBuilder<boolean>) => {
      const { sql: text, parameters } = sql`SELECT id FROM things WHERE ${condition} ORDER BY id`.compile(db)
      return database
        .prepare(text)
        .all(...(parameters as string[]))
        .map(({ id }) => id)
    }
    fc.assert(
      fc.property(filter, rows, (wanted, things) => {
        database.exec('DELETE FROM things')
        for (const [id, { name, version, tags }] of things.entries())
          insert.run(id, name, version, JSON.stringify(tags))
        const expected = things.flatMap((thing, id) => (matches(wanted, thing) ? [id] : []))
        expect(found(filterCondition(wanted, columns))).toEqual(expected)
      }),
      { numRuns: 1000 },
    )
    database.close()
  })
})

interface Thing {
  name: string
  version: number
  tags: Record<string, string>
}

/** The grammar's meaning, written once more without a database. */
function matches(filter: Filter, thing: Thing): boolean {
  if ('and' in filter) return filter.and.every((each) => matches(each, thing))
  if ('or' in filter) return filter.or.some((each) => matches(each, thing))
  if ('not' in filter) return !matches(filter.not, thing)
  const { field } = filter
  const value =
    'tag' in field
      ? Object.hasOwn(thing.tags, field.tag)
        ? thing.tags[field.tag]
        : undefined
      : field.attribute === 'version_number'
        ? thing.version
        : thing.name
  if (value === undefined) return false
  if ('in' in filter) return filter.in.includes(value)
  if ('like' in filter) return isLike(String(value), filter.like, filter.anyCase)
  const order = compare(value, filter.value)
  const signs = {
    '=': order === 0,
    '!=': order !== 0,
    '<': order < 0,
    '<=': order <= 0,
    '>': order > 0,
    '>=': order >= 0,
  }
  return signs[filter.is]
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)))
}

function isLike(text: string, pattern: string, anyCase: boolean): boolean {
  const parts = Array.from(pattern, (sign) =>
    sign === '%' ? '[^]*' : sign === '_' ? '[^]' : sign.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'),
  )
  // ASCII alone: the u flag with i would fold more.
  return new RegExp(`^${parts.join('')}$`, anyCase ? 'i' : '').test(text)
}
