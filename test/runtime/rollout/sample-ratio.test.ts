import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { logGamma } from '../../../runtime/rollout/gamma.ts'
import { combineRatios, logDirichlet, logShares, sampleRatio } from '../../../runtime/rollout/sample-ratio.ts'
import { openRandom } from '../drift/random.ts'

const vectorsFile = fileURLToPath(new URL('../../../../shared/vectors/drift.json', import.meta.url))
const isPresent = existsSync(vectorsFile)

describe('ln Γ', () => {
  test('is that of factorials', () => {
    let log = 0
    for (let n = 1; n < 170; n++) {
      log += Math.log(n)
      expect(logGamma(n + 1)).toBeCloseTo(log, 9)
    }
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 12)
  })
})

describe('the sample ratio', () => {
  test.skipIf(!isPresent)('has the marginal likelihoods of optimizely/ssrm', () => {
    const { sequential_srm } = JSON.parse(readFileSync(vectorsFile, 'utf8'))
    for (const { null: shares, prior, log_m1, log_m0 } of sequential_srm) {
      expect(logDirichlet([2, 2, 1], prior)).toBeCloseTo(log_m1, 9)
      expect(logShares([2, 2, 1], shares)).toBeCloseTo(log_m0, 9)
    }
  })

  test('knows nothing before a unit came', () => {
    expect(sampleRatio([0, 0], [0.5, 0.5], 0.001)).toMatchObject({ alarm: false, logEvidence: 0 })
  })

  test('has an expectation of at most one before each unit: a martingale under the shares', () => {
    const counts = fc.array(fc.nat(2000), { minLength: 3, maxLength: 3 })
    const shares = [0.9, 0.09, 0.01]
    fc.assert(
      fc.property(counts, (units) => {
        const now = sampleRatio(units, shares, 0.001).logEvidence
        const next = shares.map((share, i) => {
          const after = units.map((count, at) => (at === i ? count + 1 : count))
          return share * Math.exp(sampleRatio(after, shares, 0.001).logEvidence - now)
        })
        expect(next.reduce((sum, each) => sum + each, 0)).toBeCloseTo(1, 6)
      }),
    )
  })

  test('of a ramp is that of its revisions together: right shares in each are right', () => {
    const ramp = [
      { units: [9500, 500], shares: [0.95, 0.05] },
      { units: [5000, 5000], shares: [0.5, 0.5] },
    ]
    expect(combineRatios(ramp, 0.001).alarm).toBe(false)
    expect(sampleRatio([14_500, 5500], [0.5, 0.5], 0.001).alarm).toBe(true)
    const skewed = { units: [2560, 2440], shares: [0.5, 0.5] }
    expect(combineRatios([skewed], 0.001).alarm).toBe(false)
    const each = combineRatios([skewed], 0.001).logEvidence
    expect(combineRatios([skewed, skewed, skewed], 0.001).logEvidence).toBeCloseTo(3 * each, 9)
  })

  test.each([[0.5], [0.95], [0.99]])('TE-11 keeps silent for a split of %f, a look each 50 units', (share) => {
    const random = openRandom(77)
    const alarms = Array.from({ length: 100 }, () => firstAlarm(random, share, share, 20_000))
    expect(alarms.filter((at) => at !== undefined)).toEqual([])
  })

  test('TE-11 finds 54 to 46 within 10,000 units, and 60 to 40 within 4,000', () => {
    const random = openRandom(78)
    const slight = Array.from({ length: 100 }, () => firstAlarm(random, 0.54, 0.5, 10_000))
    expect(slight.filter((at) => at !== undefined).length).toBeGreaterThanOrEqual(97)
    const gross = Array.from({ length: 30 }, () => firstAlarm(random, 0.6, 0.5, 4000))
    expect(gross.filter((at) => at === undefined)).toEqual([])
  })
})

function firstAlarm(random: ReturnType<typeof openRandom>, truth: number, share: number, most: number) {
  let first = 0
  for (let units = 1; units <= most; units++) {
    if (random.uniform() < truth) first++
    if (units % 50 > 0) continue
    if (sampleRatio([first, units - first], [share, 1 - share], 0.001).alarm) return units
  }
  return undefined
}
