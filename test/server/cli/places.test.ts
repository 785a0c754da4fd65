import { expect, test } from 'vitest'
import { openPlaces } from '../../../server/cli/places.ts'

test('several transfers are counted as one, and what was there before apart', () => {
  const told: unknown[] = []
  const places = openPlaces({ update: (...place) => told.push(place), end: () => undefined }, 100)
  const [one, other] = [places('one'), places('other')]
  one(0)
  other(40)
  one(10)
  other(45)
  expect(told).toEqual([
    [0, 100, 0],
    [40, 100, 40],
    [50, 100, 40],
    [55, 100, 40],
  ])
})
