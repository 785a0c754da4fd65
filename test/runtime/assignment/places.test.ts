import { expect, test } from 'vitest'
import { expected, fingerprints } from './places.ts'

test('a million ids have the places on Node that they have everywhere', { timeout: 120_000 }, () => {
  expect(fingerprints()).toEqual(expected)
})
