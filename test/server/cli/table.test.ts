import { describe, expect, test } from 'vitest'
import { plain, renderAge, renderBytes, renderNumber, renderTable } from '../../../server/cli/table.ts'

describe('a table for people', () => {
  test('has columns two spaces apart, numbers to the right, no spaces at the end of a line', () => {
    const columns = [{ title: 'NAME' }, { title: 'ROWS', align: 'right' as const }, { title: 'TAGS' }]
    expect(
      renderTable(columns, [
        ['digits', '7', ''],
        ['penguins-2', '1200', 'a=b'],
      ]),
    ).toBe(['NAME        ROWS  TAGS', 'digits         7', 'penguins-2  1200  a=b', ''].join('\n'))
  })

  test('is nothing without rows', () => {
    expect(renderTable([{ title: 'NAME' }], [])).toBe('')
  })

  test('TE-15: shows control characters of a name as marks, so that they cannot move the cursor or reverse text', () => {
    expect(plain('a\x1b[2Jb\r\nc\u202ed')).toBe('a\ufffd[2Jb\ufffd\ufffdc\ufffdd')
    expect(renderTable([{ title: 'N' }], [['\x1b[31mred']])).toBe('N\n\ufffd[31mred\n')
  })
})

describe('sizes, numbers and ages', () => {
  test.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [2_327_524, '2.2 MiB'],
    [512 * 1024 * 1024, '512 MiB'],
  ])('%i bytes are %s', (bytes, text) => expect(renderBytes(bytes)).toBe(text))

  test.each([
    [0.1234567891, '0.123457'],
    [1, '1'],
    [0, '0'],
    [0.0000011927634, '1.193e-6'],
    [-250_000.5, '-250000.5'],
    [Number.NaN, 'NaN'],
  ])('the number %d is %s', (value, text) => expect(renderNumber(value)).toBe(text))

  test.each([
    [0, '0 s ago'],
    [59, '59 s ago'],
    [60, '1 min ago'],
    [3 * 3600 + 5, '3 h ago'],
    [49 * 3600, '2 days ago'],
  ])('%i seconds before are %s', (seconds, text) => {
    const now = Date.parse('2026-11-24T10:00:00Z')
    expect(renderAge(new Date(now - seconds * 1000).toISOString(), now)).toBe(text)
  })
})
