import { describe, expect, test } from 'vitest'
import { roundOrders } from '../../bench/harness/order.ts'

const names = ['a', 'b', 'c', 'd']

describe('the orders of rounds', () => {
  test('hold every variant once', () => {
    for (const order of roundOrders(names, 7, 1)) expect(order.toSorted()).toEqual(names)
  })

  test('come in pairs that mirror each other, so that every variant runs as early as late', () => {
    const orders = roundOrders(names, 6, 1)
    for (const round of [1, 3, 5]) expect(orders[round]).toEqual(orders[round - 1]?.toReversed())
  })

  test('are the same for the same seed and others for another', () => {
    expect(roundOrders(names, 8, 5)).toEqual(roundOrders(names, 8, 5))
    expect(roundOrders(names, 8, 5)).not.toEqual(roundOrders(names, 8, 6))
  })

  test('put each variant in each place about as often', () => {
    const first = new Map<string, number>()
    for (const [name = ''] of roundOrders(names, 4000, 3)) first.set(name, (first.get(name) ?? 0) + 1)
    // 5 standard deviations of a binomial with n = 4,000 and p = 1/4.
    for (const name of names) expect(Math.abs((first.get(name) ?? 0) - 1000)).toBeLessThan(137)
  })
})
