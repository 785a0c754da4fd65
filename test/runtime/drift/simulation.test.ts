import { describe, expect, test } from 'vitest'
import { decide } from '../../../runtime/drift/verdict.ts'
import { findAlarms } from './alarms.ts'
import { type Cell, firstAlarms, nullCell, simulate, simulateServer } from './simulate.ts'

// Rates of the whole grid: test/proof/drift-simulation.txt. Seeds are fixed, so these are the same everywhere.
function alarms(cell: Partial<Cell>, runs: number): { one: number; fifty: number } {
  const first = Array.from({ length: runs }, (_, run) => findAlarms({ ...nullCell, ...cell }, run, [1, 50]))
  const rate = (i: number) => first.filter((found) => Number.isFinite(found[i])).length / runs
  return { one: rate(0), fifty: rate(1) }
}

describe('alarms that a simulation counts', () => {
  test.each([
    ['rows that are each a sender', { rows: 50, senders: 50 }],
    ['a few senders of many rows', { rows: 100, senders: 4 }],
    ['senders of few rows that live four windows', { rows: 60, senders: 20, dayWindows: 4 }],
    ['busy senders with another mix', { rows: 180, senders: 20, busyShift: 0.5 }],
  ] as const)('are those of a track: %s', (_, shape) => {
    for (const kind of ['numeric', 'categorical', 'tied'] as const) {
      const cell = { ...nullCell, ...shape, kind, correlation: 0.1, looks: 40, changeAt: 10, shift: 0.25 }
      for (const seed of [1, 2])
        expect(findAlarms(cell, seed, [1, 10, 50])).toEqual(firstAlarms(simulate(cell, seed), [1, 10, 50]))
    }
  })
})

describe('evidence of drift', () => {
  test('alarms in at most 5 % of monitors without drift whose rows are correlated, over 200 looks', () => {
    const { one, fifty } = alarms({ correlation: 0.2 }, 150)
    expect(one).toBeLessThanOrEqual(0.05)
    // Of one in fifty features; fifty independent ones alarm 1 - (1 - rate)^50 as often.
    expect(1 - (1 - fifty) ** 50).toBeLessThanOrEqual(0.05)
  })

  test('alarms in at most 5 % of monitors whose only sender sends all of a window', () => {
    expect(alarms({ correlation: 0.5, senders: 1 }, 100).one).toBeLessThanOrEqual(0.05)
  })

  test('alarms in at most 5 % of monitors whose senders live a day of 24 windows', () => {
    expect(alarms({ correlation: 0.2, senders: 100, rows: 100, dayWindows: 24, looks: 96 }, 60).one).toBeLessThan(0.05)
  })

  test.each([
    ['uncorrelated rows', { rows: 50, senders: 50, looks: 10 }],
    ['correlated rows', { rows: 225, senders: 45, looks: 4, correlation: 0.2 }],
    ['tied values', { kind: 'tied', rows: 50, senders: 50, looks: 10 }],
    ['categories, against 5,832', { kind: 'categorical', rows: 50, senders: 50, looks: 10, baselineRows: 5832 }],
  ] as const)('sees a shift of 0.3 deviations in 500 effective rows of %s in nine of ten monitors', (_, cell) => {
    expect(alarms({ ...cell, shift: 0.3 }, 300).one).toBeGreaterThanOrEqual(0.9)
  })

  test('sees it among fifty features against a baseline of 5,832 rows', () => {
    const { fifty } = alarms({ rows: 50, senders: 50, looks: 10, shift: 0.3, baselineRows: 5832 }, 300)
    expect(fifty).toBeGreaterThanOrEqual(0.9)
  })

  test('sees it among fifty features where three in five rows have one value', () => {
    const cell = { kind: 'tied', rows: 50, senders: 50, looks: 10, shift: 0.3, baselineRows: 5832 } as const
    expect(alarms(cell, 300).fifty).toBeGreaterThanOrEqual(0.9)
  })

  // The baseline's own least and greatest values are its outer edges: about two rows of as many as it has lie beyond them.
  test('is none of the rows that lie beyond the least and greatest of a small baseline', () => {
    expect(alarms({ baselineRows: 500, rows: 5000, senders: 5000 }, 300).one).toBeLessThanOrEqual(0.05)
  })

  test('finds a change at window 100 within three windows of 500 rows', () => {
    const delays = Array.from({ length: 21 }, (_, run) => {
      const cell = { ...nullCell, rows: 500, senders: 500, looks: 110, changeAt: 100, shift: 0.3, baselineRows: 5832 }
      return (findAlarms(cell, run, [1])[0] ?? 0) - 100
    })
    // Runs that alarmed before the change are left out.
    const found = delays.filter((delay) => delay > 0).toSorted((a, b) => a - b)
    expect(found.length).toBeGreaterThanOrEqual(19)
    expect(found[10]).toBeLessThanOrEqual(3)
  })
})

describe('evidence of drift on one server, whose rows are alike in time', () => {
  const server = { ...nullCell, correlation: 0.2, rows: 600, senders: 1, baselineRows: 5832 }

  test('alarms in at most 5 % of monitors while rows a window apart are unrelated, over 200 looks', () => {
    const first = Array.from({ length: 20 }, (_, run) =>
      firstAlarms(simulateServer({ ...server, memoryRows: 50 }, run), [1]),
    )
    expect(first.flat().filter(Number.isFinite).length).toBeLessThanOrEqual(1)
  })

  // Evidence, section 6: 25 windows in the middle.
  test('finds a shift of 0.3 deviations within 30 windows', () => {
    const cell = { ...server, memoryRows: 50, shift: 0.3, looks: 40 }
    const first = Array.from({ length: 21 }, (_, run) => firstAlarms(simulateServer(cell, run), [1])[0] ?? 0)
    const middle = first.toSorted((a, b) => a - b)[10]
    expect(middle).toBeGreaterThanOrEqual(16)
    expect(middle).toBeLessThanOrEqual(30)
  })

  test('is none while rows hang together over many of the windows there are', () => {
    const track = simulateServer({ ...server, memoryRows: 3600, correlation: 0.9, shift: 1, looks: 24 }, 1)
    const { verdict, lack } = decide(track, {
      alpha: 0.05,
      features: 1,
      limits: { location: 0.2, missing: 0.05 },
      seasonWindows: 1,
      isCut: false,
      clustering: 'windows',
    })
    expect([verdict, lack?.what]).toEqual(['insufficient', 'unrelated windows'])
  })
})

describe('the verdict over time', () => {
  const settings = {
    alpha: 0.05,
    features: 1,
    limits: { location: 0.2, missing: 0.05 },
    seasonWindows: 1,
    isCut: false,
    clustering: 'senders',
  } as const
  const calm: Cell = { ...nullCell, rows: 500, senders: 500, looks: 20, baselineRows: 5832 }

  test('is no_drift where rows are as the baseline', () => {
    expect(decide(simulate(calm, 1), settings).verdict).toBe('no_drift')
  })

  test('is drift where the mean moved past its limit, and stays it', () => {
    const { verdict, block } = decide(simulate({ ...calm, shift: 0.4, changeAt: 10 }, 2), settings)
    expect(verdict).toBe('drift')
    expect(block.to).toBeGreaterThan(10)
    expect(block.to).toBeLessThanOrEqual(13)
  })

  test('is not drift where rows moved, but less than the limit', () => {
    expect(decide(simulate({ ...calm, shift: 0.1, looks: 40 }, 3), settings).verdict).not.toBe('drift')
  })

  test('says how many rows are missing', () => {
    const { verdict, lack } = decide(simulate({ ...calm, looks: 1, rows: 100, senders: 100 }, 4), settings)
    expect(verdict).toBe('insufficient')
    expect(lack?.what).toBe('rows')
    expect(lack?.count).toBeGreaterThan(100)
    expect(lack?.count).toBeLessThan(2000)
  })

  test('says that senders are missing where all rows are of few', () => {
    const { lack } = decide(simulate({ ...calm, looks: 4, senders: 2 }, 5), settings)
    expect(lack).toEqual({ what: 'senders', count: 3 })
  })

  test('says how many baseline rows it takes where no number of rows would do', () => {
    const { lack } = decide(simulate({ ...calm, baselineRows: 200 }, 6), settings)
    expect(lack?.what).toBe('baseline rows')
    expect(lack?.count).toBeGreaterThan(250)
  })

  test('takes late evidence where the beginning of the life is gone', () => {
    const track = simulate({ ...calm, shift: 0.4, changeAt: 10 }, 2)
    const whole = decide(track, settings)
    const cut = decide(track, { ...settings, isCut: true })
    expect([whole.verdict, cut.verdict, cut.block.rule]).toEqual(['drift', 'drift', 'late'])
  })

  test('is not given for blocks shorter than a season', () => {
    const track = simulate({ ...calm, looks: 23, dayWindows: 24, shift: 1 }, 7)
    expect(decide(track, { ...settings, seasonWindows: 24 }).verdict).toBe('insufficient')
  })
})
