import { describe, expect, test } from 'vitest'
import { latencyEdgesMs } from '../../../runtime/contract/telemetry.ts'
import { decide } from '../../../runtime/drift/verdict.ts'
import { baselineOf, lossSettings, openLossTrack } from '../../../runtime/performance/loss.ts'
import { judgeRates } from '../../../runtime/performance/rates.ts'
import { openRandom, type Random } from '../../runtime/drift/random.ts'

const limits = { location: 0.2, missing: 0.05, loss: 0.05, errors: 0.01 }

interface Run {
  baselineRows: number
  windowRows: number
  windows: number
  /** Looks are so many windows apart. */
  every: number
  /** Least rise that is an alarm. */
  loss: number
  before(random: Random): number
  after(random: Random): number
}

/** Window of the first alarm, from 1; undefined where there is none. */
function firstAlarm(
  seed: number,
  { baselineRows, windowRows, windows, every, loss, before, after }: Run,
): number | undefined {
  const random = openRandom(seed)
  const losses = Array.from({ length: baselineRows }, () => ({ loss: before(random), rows: 1 }))
  const baseline = baselineOf(losses, 1)
  if (baseline === undefined) throw new Error('too few rows')
  const sums = Array.from({ length: windows }, () => {
    const scores = Array.from({ length: windowRows }, () => (after(random) - baseline.mean) / baseline.deviation)
    return {
      rows: windowRows,
      total: scores.reduce((sum, score) => sum + score, 0),
      squares: scores.reduce((sum, score) => sum + score * score, 0),
    }
  })
  const settings = lossSettings({ alpha: 0.05, limits: { ...limits, loss } }, 'accuracy', baseline)
  const track = openLossTrack(sums, baseline)
  for (let length = every; length <= windows; length += every) {
    const { verdict } = decide({ ...track, length }, { ...settings, seasonWindows: 1, isCut: false })
    if (verdict === 'drift') return length
  }
  return undefined
}

const wrong = (share: number) => (random: Random) => (random.uniform() < share ? 1 : 0)

describe('a loss held against a baseline', () => {
  test('of 200 rows with rare errors gives no more false alarms than promised', () => {
    const rare = { before: wrong(0.02), after: wrong(0.02) }
    const same = { baselineRows: 200, windowRows: 500, windows: 200, every: 20, loss: 0.001, ...rare }
    const alarms = Array.from({ length: 200 }, (_, seed) => firstAlarm(seed, same)).filter(Boolean)
    expect(alarms.length).toBeLessThanOrEqual(10)
  })

  test('that doubled is found within three windows of 500 rows, and one that fell never', () => {
    const run = { baselineRows: 2000, windowRows: 500, windows: 40, every: 1, loss: 0.05, before: wrong(0.1) }
    const found = Array.from({ length: 20 }, (_, seed) => firstAlarm(seed, { ...run, after: wrong(0.2) }) ?? 99)
    expect(found.toSorted((a, b) => a - b)[10]).toBeLessThanOrEqual(3)
    const better = Array.from({ length: 20 }, (_, seed) => firstAlarm(seed, { ...run, after: wrong(0.02) }))
    expect(better.filter(Boolean)).toEqual([])
  })

  test('needs 200 rows of the baseline', () => {
    expect(baselineOf([{ loss: 0, rows: 199 }], 1)).toBeUndefined()
    expect(baselineOf([{ loss: 0, rows: 198 + 2 }], 1)?.mean).toBeCloseTo(2 / 202, 12)
  })
})

describe('shares of requests', () => {
  const empty = new Array<number>(latencyEdgesMs.length + 1).fill(0)
  const host = (requests: number, failed: number) => ({
    latency: empty.with(2, requests - failed),
    errors: { RUN_FAILED: failed },
  })
  const judgeErrors = (told: ReturnType<typeof host>[]) => judgeRates({ alpha: 0.05, limits }, told)[0]

  test('are over their limit by evidence of many hosts, not of one that failed alone', () => {
    expect(judgeErrors(Array.from({ length: 40 }, () => host(100, 4)))?.verdict).toBe('drift')
    const alone = [host(100, 100), ...Array.from({ length: 39 }, () => host(100, 0))]
    expect(judgeErrors(alone)?.verdict).toBe('insufficient')
  })

  test('are fine where they are surely below it, and open where there are few', () => {
    expect(judgeErrors(Array.from({ length: 100 }, () => host(500, 1)))?.verdict).toBe('no_drift')
    expect(judgeErrors([host(20, 0)])?.verdict).toBe('insufficient')
    expect(judgeErrors([])).toMatchObject({ verdict: 'insufficient', low: 0, high: 1 })
  })

  test('at their limit, in hosts that differ, give no more false alarms over a life than promised', () => {
    const random = openRandom(5)
    let alarms = 0
    for (let life = 0; life < 20; life++) {
      const ill = Array.from({ length: 1000 }).some(() => {
        const told = Array.from({ length: 30 }, () => {
          // A gamma of mean 0.01, as wide as it is high.
          const rate = Math.min(1, (0.01 * random.gamma(1)) / 1)
          return host(100, random.binomial(100, rate))
        })
        return judgeErrors(told)?.verdict === 'drift'
      })
      if (ill) alarms++
    }
    expect(alarms).toBeLessThanOrEqual(1)
  })
})
