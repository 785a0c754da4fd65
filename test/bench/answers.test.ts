import { describe, expect, test } from 'vitest'
import { checkNumbers } from '../../bench/harness/answers.ts'

describe('numbers of an answer', () => {
  test('are right where they differ by no more than the tolerance', () => {
    expect(checkNumbers([0.5, 0.25], [0.5, 0.2], 0.0625)).toBeUndefined()
  })

  test.each([
    ['one is further off', [0.5, 0.25], [0.5, 0.125], '2 scores, 0.125 off at most; want 2 within 0.0625'],
    ['one is missing', [0.5], [0.5, 0.25], '1 scores, NaN off at most; want 2 within 0.0625'],
    ['one is too many', [0.5, 0.25], [0.5], '2 scores, 0 off at most; want 1 within 0.0625'],
    ['all are zero on both sides', [0, 0], [0, 0], '2 scores, 0 off at most; want 2 within 0.0625'],
    ['one is no number', [Number.NaN], [0.5], '1 scores, NaN off at most; want 1 within 0.0625'],
  ])('are wrong where %s', (_, answer, against, message) => {
    expect(checkNumbers(answer, against, 0.0625)).toBe(message)
  })
})
