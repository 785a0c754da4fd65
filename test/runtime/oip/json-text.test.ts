import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quoteLongIntegers } from '../../../runtime/oip/json-text.ts'

function quoted(text: string): string {
  return new TextDecoder().decode(quoteLongIntegers(new TextEncoder().encode(text)))
}

describe('long integers in quotes', () => {
  test.each([
    ['[9007199254740993,-9223372036854775808,1]', '["9007199254740993","-9223372036854775808",1]'],
    ['[ 9007199254740993 ]', '[ "9007199254740993" ]'],
    ['{"9007199254740993":"9007199254740993"}', '{"9007199254740993":"9007199254740993"}'],
    ['["a\\"9007199254740993","\\\\",9007199254740993]', '["a\\"9007199254740993","\\\\","9007199254740993"]'],
    ['[0.12345678901234567890,1234567890123456.5]', '[0.12345678901234567890,1234567890123456.5]'],
    ['[1234567890123456e3,1E1234567890123456789]', '[1234567890123456e3,1E1234567890123456789]'],
    ['[999999999999999]', '[999999999999999]'],
    ['9007199254740993', '"9007199254740993"'],
  ])('%s becomes %s', (text, wanted) => expect(quoted(text)).toBe(wanted))

  test('everything else stays as it is, whatever stands around', () => {
    const token = fc.oneof(
      fc.bigInt().map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
      fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
      fc.constantFrom('null', 'true', '{}', '[]'),
    )
    const isLong = (text: string) => /^-?\d{16,}$/.test(text)
    fc.assert(
      fc.property(fc.array(token), (tokens) => {
        const wanted = tokens.map((text) => (isLong(text) ? text : JSON.parse(text)))
        expect(JSON.parse(quoted(`{"a":[${tokens.join(', ')}]}`))).toEqual({ a: wanted })
      }),
      { numRuns: 500 },
    )
  })
})
