import { describe, expect, test } from 'vitest'
import { decodeError, encodeError, errorTable, SelvedgeError } from '../../runtime/errors.ts'

describe('errors', () => {
  test('cross a border whole', () => {
    const error = new SelvedgeError('SHAPE_MISMATCH', 'input "image": got [1,28], want ["N",1,28,28]', {
      input: 'image',
    })
    expect(decodeError(encodeError(error))).toEqual(error)
  })

  test('AP-22: what is not ours crosses without its text, which may hold paths', () => {
    expect(encodeError(new Error('ENOENT: /root/secret'))).toEqual({
      code: 'INTERNAL',
      message: 'an unexpected error',
      detail: {},
    })
  })

  test('a code that this version does not know is read as INTERNAL', () => {
    expect(decodeError({ code: 'NEWER' as 'INTERNAL', message: 'm', detail: {} }).code).toBe('INTERNAL')
  })

  test('every code names a next step of one sentence', () => {
    for (const [code, [, next]] of Object.entries(errorTable)) expect(next, code).toMatch(/^[A-Z`].*\.$/)
  })
})
