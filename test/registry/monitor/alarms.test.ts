import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { follow, type Seen } from '../../../registry/monitor/alarms.ts'
import type { AlarmState } from '../../../registry/store/looks.ts'

type Verdict = 'drift' | 'no_drift' | 'insufficient'

function seen(place: number, parts: Record<string, Verdict>, version = 1): Seen {
  return {
    endpoint: 'e',
    monitor: 'mine',
    deployment: 'blue',
    signal: 'drift',
    version,
    at: new Date(Date.parse('2026-11-24T10:00:00Z') + place * 60_000).toISOString(),
    parts: Object.entries(parts).map(([part, verdict]) => ({ part, verdict })),
  }
}

/** What is told of a row of looks, and the states at its end. */
function tell(looks: readonly Seen[]) {
  let states: AlarmState[] = []
  const told = looks.map((look) => {
    const next = follow(states, look)
    states = next.states
    return next.events.map(({ type, data }) => [type, data.changed, data.alarms])
  })
  return { told, states }
}

describe('an alarm', () => {
  test('is told when it begins and when it ends, and between the two not again', () => {
    const { told, states } = tell([
      seen(0, { a: 'insufficient', b: 'no_drift' }),
      seen(1, { a: 'drift', b: 'no_drift' }),
      seen(2, { a: 'drift', b: 'no_drift' }),
      seen(3, { a: 'insufficient', b: 'drift' }),
      seen(4, { a: 'no_drift', b: 'drift' }),
      seen(5, { a: 'no_drift', b: 'no_drift' }),
    ])
    expect(told).toEqual([
      [],
      [['drift.detected', ['a'], ['a']]],
      [],
      [['drift.detected', ['b'], ['a', 'b']]],
      [['drift.cleared', ['a'], ['b']]],
      [['drift.cleared', ['b'], []]],
    ])
    expect(states.map(({ part, state, since }) => [part, state, since])).toEqual([
      ['', 'calm', '2026-11-24T10:05:00.000Z'],
      ['a', 'calm', '2026-11-24T10:04:00.000Z'],
      ['b', 'calm', '2026-11-24T10:05:00.000Z'],
    ])
  })

  test('ends with the version, even where the next one is in alarm for the same', () => {
    const { told } = tell([seen(0, { a: 'drift', b: 'drift' }), seen(1, { a: 'drift', b: 'insufficient' }, 2)])
    expect(told[1]).toEqual([
      ['drift.cleared', ['a', 'b'], ['a']],
      ['drift.detected', ['a'], ['a']],
    ])
  })

  test('ends with what is no longer looked at', () => {
    expect(tell([seen(0, { a: 'drift', b: 'no_drift' }), seen(1, { b: 'no_drift' })]).told[1]).toEqual([
      ['drift.cleared', ['a'], []],
    ])
  })

  test('of any parts begins and ends in turn, and is as its last verdict that could tell', () => {
    const verdict = fc.constantFrom<Verdict>('drift', 'no_drift', 'insufficient')
    fc.assert(
      fc.property(fc.array(fc.record({ a: verdict, b: verdict }), { maxLength: 30 }), (windows) => {
        const { told, states } = tell(windows.map((window, i) => seen(i, window)))
        for (const part of ['a', 'b'] as const) {
          const changes = told.flat().filter(([, changed]) => (changed as string[]).includes(part))
          const expected = windows
            .map((window) => window[part])
            .filter((found) => found !== 'insufficient')
            .filter((found, i, all) => found !== (all[i - 1] ?? 'no_drift'))
          expect(changes.map(([type]) => type)).toEqual(
            expected.map((found) => (found === 'drift' ? 'drift.detected' : 'drift.cleared')),
          )
          if (windows.length === 0) continue
          const last = windows.map((window) => window[part]).findLast((found) => found !== 'insufficient')
          expect(states.find((each) => each.part === part)?.state).toBe(last === 'drift' ? 'alarm' : 'calm')
        }
      }),
      { numRuns: 500 },
    )
  })
})
