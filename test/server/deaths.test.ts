import { describe, expect, test } from 'vitest'
import { openDeaths } from '../../server/deaths.ts'

describe('deaths of scorer processes', () => {
  function open() {
    let now = 1_000_000
    const deaths = openDeaths(() => now)
    const die = (times: number, suspect?: string) => {
      for (let i = 0; i < times; i++) deaths.add(suspect)
    }
    return { deaths, die, pass: (ms: number) => (now += ms) }
  }

  test('the fifth within a minute puts the suspect aside for 30 s, and nobody else', () => {
    const { deaths, die, pass } = open()
    die(4, 'a')
    expect(deaths.asideMs('a')).toBe(0)
    die(1, 'a')
    expect([deaths.asideMs('a'), deaths.asideMs('b'), deaths.respawnMs()]).toEqual([30_000, 0, 0])
    pass(30_000)
    expect(deaths.asideMs('a')).toBe(0)
  })

  test('five over more than a minute are borne', () => {
    const { deaths, die, pass } = open()
    die(4, 'a')
    pass(60_000)
    die(4, 'a')
    expect(deaths.asideMs('a')).toBe(0)
  })

  test('every time it is twice as long, at most ten minutes, until a new plan comes', () => {
    const { deaths, die, pass } = open()
    const spans = Array.from({ length: 7 }, () => {
      die(5, 'a')
      const span = deaths.asideMs('a')
      pass(span)
      return span
    })
    expect(spans).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000])
    deaths.forgive('a')
    die(5, 'a')
    expect(deaths.asideMs('a')).toBe(30_000)
  })

  test('deaths of idle processes slow the start of new ones', () => {
    const { deaths, die, pass } = open()
    die(5)
    expect([deaths.respawnMs(), deaths.asideMs('a')]).toEqual([30_000, 0])
    pass(30_000)
    expect(deaths.respawnMs()).toBe(0)
  })
})
