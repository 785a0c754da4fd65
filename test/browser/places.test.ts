import { expect, test } from 'vitest'
import { expected, fingerprints } from '../runtime/assignment/places.ts'

test('a million ids have the places in a page that they have everywhere', { timeout: 120_000 }, () => {
  expect(fingerprints()).toEqual(expected)
})
