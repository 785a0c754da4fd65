import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NumericProfile } from '../../../runtime/contract/profile-spec.ts'
import { numberCellsOf } from '../../../runtime/performance/cells.ts'
import { auc, binary, classes, scoredCells } from '../../../runtime/performance/classification.ts'
import { estimate } from '../../../runtime/performance/estimate.ts'
import { share } from '../../../runtime/performance/intervals.ts'
import { regression } from '../../../runtime/performance/regression.ts'
import { buildProfileSpec } from '../../../runtime/telemetry/baseline.ts'
import { cellCount, openProfile } from '../../../runtime/telemetry/profile.ts'

/** Bins of a tenth and a point at 0.25. */
const score: NumericProfile = withCounts({
  name: 'score',
  kind: 'numeric',
  edges: Array.from({ length: 11 }, (_, i) => i / 10),
  points: [0.25],
  threshold: 0.5,
  counts: [],
})

function withCounts(profile: NumericProfile): NumericProfile {
  return { ...profile, counts: new Array(cellCount(profile)).fill(0) }
}

/** Outcomes counted beside the cells of their scores. */
function countsOf(profile: NumericProfile, rows: readonly { score: number; isPositive: boolean }[]) {
  const side = (wanted: boolean) => {
    const counter = openProfile({ features: [], outputs: [profile] })
    for (const { score, isPositive } of rows) if (isPositive === wanted) counter.countOutput({ [profile.name]: score })
    return counter.counts().outputs[profile.name] ?? []
  }
  return { negatives: side(false), positives: side(true) }
}

const inner = numberCellsOf(score).filter(({ low, high }) => low >= 0 && high <= 1)
const rowsOf = fc.array(
  fc.record({ score: fc.constantFrom(...inner.map(({ value }) => value)), isPositive: fc.boolean() }),
  { minLength: 2, maxLength: 40 },
)

describe('metrics of two classes', () => {
  test('are those of the rows themselves', () => {
    fc.assert(
      fc.property(rowsOf, (rows) => {
        const found = binary(score, countsOf(score, rows), 0.95)
        const predicted = rows.map((row) => ({ ...row, isPredicted: row.score >= 0.5 }))
        const hits = predicted.filter((row) => row.isPredicted && row.isPositive).length
        const ratio = (part: number, whole: number) => (whole === 0 ? undefined : part / whole)
        expect(found.rows).toBe(rows.length)
        expect(found.accuracy?.value).toBeCloseTo(
          predicted.filter((row) => row.isPredicted === row.isPositive).length / rows.length,
          12,
        )
        expect(found.precision?.value).toBe(ratio(hits, predicted.filter(({ isPredicted }) => isPredicted).length))
        expect(found.recall?.value).toBe(ratio(hits, rows.filter(({ isPositive }) => isPositive).length))
        const loss = rows.reduce((sum, row) => sum - Math.log(row.isPositive ? row.score : 1 - row.score), 0)
        expect(found.logLoss?.value).toBeCloseTo(loss / rows.length, 9)
        expect(found.logLossCells?.low).toBeLessThanOrEqual((found.logLoss?.value ?? 0) + 1e-12)
        expect(found.logLossCells?.high).toBeGreaterThanOrEqual((found.logLoss?.value ?? 0) - 1e-12)
        const pairs = pairsOf(rows)
        const mean = (all: readonly number[]) => all.reduce((sum, each) => sum + each, 0) / all.length
        expect(found.auc === undefined).toBe(pairs.length === 0)
        if (found.auc !== undefined) expect(found.auc.value).toBeCloseTo(mean(pairs), 12)
        expect(found.bias?.value).toBeCloseTo(mean(rows.map((row) => row.score - (row.isPositive ? 1 : 0))), 12)
        expect(found.calibration.reduce((sum, group) => sum + group.rows, 0)).toBe(rows.length)
        expect(found.calibration.length).toBeLessThanOrEqual(10)
      }),
      { numRuns: 1000 },
    )
  })

  test('have the variance of DeLong, which needs every pair', () => {
    fc.assert(
      fc.property(rowsOf, (rows) => {
        const positives = rows.filter(({ isPositive }) => isPositive)
        const negatives = rows.filter(({ isPositive }) => !isPositive)
        const found = auc(scoredCells(score, countsOf(score, rows)), 0.95)
        if (positives.length < 2 || negatives.length < 2 || found === undefined) return
        if (found.value === 0 || found.value === 1) return
        const won = (a: number, b: number) => (a > b ? 1 : a === b ? 0.5 : 0)
        const spread = (all: readonly number[]) => {
          const mean = all.reduce((sum, each) => sum + each, 0) / all.length
          return all.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (all.length - 1) / all.length
        }
        const ofPositives = positives.map(
          (p) => negatives.reduce((s, n) => s + won(p.score, n.score), 0) / negatives.length,
        )
        const ofNegatives = negatives.map(
          (n) => positives.reduce((s, p) => s + won(p.score, n.score), 0) / positives.length,
        )
        const error = Math.sqrt(spread(ofPositives) + spread(ofNegatives))
        const logit = (p: number) => Math.log(p / (1 - p))
        const half = (1.959963984540054 * error) / (found.value * (1 - found.value))
        expect(logit(found.high) - logit(found.value)).toBeCloseTo(half, 6)
        expect(logit(found.value) - logit(found.low)).toBeCloseTo(half, 6)
      }),
      { numRuns: 500 },
    )
  })

  test('say nothing of what did not occur', () => {
    expect(binary(score, { negatives: [], positives: [] }, 0.95)).toEqual({ rows: 0, calibration: [] })
    const found = binary(score, countsOf(score, [{ score: 0.95, isPositive: true }]), 0.95)
    expect(Object.keys(found).sort()).toEqual([
      'accuracy',
      'calibration',
      'calibrationError',
      'logLossCells',
      'precision',
      'recall',
      'rows',
    ])
  })
})

function pairsOf(rows: readonly { score: number; isPositive: boolean }[]): number[] {
  const [positives, negatives] = [rows.filter((row) => row.isPositive), rows.filter((row) => !row.isPositive)]
  return positives.flatMap((a) => negatives.map((b) => (a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0)))
}

describe('metrics of many classes', () => {
  test('count a class that the profile does not know as wrong', () => {
    const profile = { name: 'class', kind: 'categorical', values: ['a', 'b', 'c'], counts: [] } as const
    // True by row; predicted by column: a, b, c, other.
    const confusion = [[5, 1, 0, 0], [2, 2, 0, 0], [], [1, 0, 0, 0]]
    const found = classes({ ...profile, values: [...profile.values], counts: [] }, confusion, 0.95)
    expect(found.accuracy?.value).toBeCloseTo(7 / 11, 12)
    expect(
      found.classes.map(({ name, rows, precision, recall }) => [name, rows, precision?.value, recall?.value]),
    ).toEqual([
      ['a', 6, 5 / 8, 5 / 6],
      ['b', 4, 2 / 3, 2 / 4],
    ])
    expect(found.macroRecall).toBeCloseTo((5 / 6 + 1 / 2) / 2, 12)
  })
})

describe('errors of a regression', () => {
  const value = withCounts({ name: 'value', kind: 'numeric', edges: [-10, -5, 0, 2, 10], points: [1], counts: [] })
  const cells = numberCellsOf(value)

  test('are those of the rows where predictions are the middles of cells, and lie in the cells where they are not', () => {
    const row = fc.record({
      place: fc.nat(cells.length - 1),
      inside: fc.double({ min: 0, max: 0.999, noNaN: true }),
      outcome: fc.double({ min: -20, max: 20, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.array(row, { minLength: 2, maxLength: 30 }), (rows) => {
        const placed = rows.map(({ place, inside, outcome }) => ({ at: cells[place] ?? cells[0], inside, outcome }))
        const found = regression(
          value,
          placed.map(({ at, outcome }) => [at?.cell ?? 0, outcome]),
          0.95,
        )
        const errors = placed.map(({ at, outcome }) => Math.abs((at?.value ?? 0) - outcome))
        const mean = (all: readonly number[]) => all.reduce((sum, each) => sum + each, 0) / all.length
        expect(found.mae?.value).toBeCloseTo(mean(errors), 9)
        expect(found.rmse?.value).toBeCloseTo(Math.sqrt(mean(errors.map((error) => error ** 2))), 9)
        const finite = placed.filter(({ at }) => Number.isFinite(at?.low) && Number.isFinite(at?.high))
        if (finite.length < placed.length) {
          expect(found.cells?.mae.high).toBeUndefined()
          return
        }
        const real = finite.map(({ at, inside, outcome }) => {
          const { low = 0, high = 0 } = at ?? {}
          return Math.abs(low + inside * (high - low) - outcome)
        })
        const rmse = Math.sqrt(mean(real.map((error) => error ** 2)))
        expect(found.cells?.mae.low).toBeLessThanOrEqual(mean(real) + 1e-9)
        expect(found.cells?.mae.high).toBeGreaterThanOrEqual(mean(real) - 1e-9)
        expect(found.cells?.rmse.low).toBeLessThanOrEqual(rmse + 1e-9)
        expect(found.cells?.rmse.high).toBeGreaterThanOrEqual(rmse - 1e-9)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('the interval of a share', () => {
  test.each([
    // Newcombe, Statistics in Medicine 17, 1998, table I, method 3.
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i in %i is that of Wilson', (successes, rows, low, high) => {
    const found = share(successes, rows, 0.95)
    expect(found?.low).toBeCloseTo(low, 4)
    expect(found?.high).toBeCloseTo(high, 4)
  })
})

const shared = fileURLToPath(new URL('../../../../shared/data/', import.meta.url))

describe.skipIf(!existsSync(shared))('California housing', () => {
  const read = (file: string) => {
    const [head = '', ...lines] = readFileSync(`${shared}${file}`, 'utf8').trim().split('\n')
    const names = head.split(',')
    return lines.map((line) => Object.fromEntries(line.split(',').map((text, i) => [names[i] ?? '', Number(text)])))
  }
  const rowsOf = (rows: readonly Record<string, number>[], targets = rows) =>
    rows.map((row, i) => ({ score: row.y_pred_proba ?? 0, isPositive: targets[i]?.clf_target === 1 }))
  const reference = rowsOf(read('california_housing_reference.csv'))
  const analysis = rowsOf(read('california_housing_analysis.csv'), read('california_housing_analysis_gt.csv'))
  const spec = buildProfileSpec({
    features: [],
    output: { kind: 'classification', tensor: 'p', activation: 'none', classes: ['low', 'high'], threshold: 0.8 },
    rows: [],
    outputs: reference.map(({ score }) => ({ class: score >= 0.8 ? 'high' : 'low', score })),
  })
  const found = spec.outputs.find(({ name }) => name === 'score')
  const plain = found?.kind === 'numeric' ? found : score
  const profile = { ...plain, positives: countsOf(plain, reference).positives }
  const accuracyOf = (rows: typeof reference) =>
    rows.filter(({ score, isPositive }) => score >= 0.8 === isPositive).length / rows.length

  // Published: vectors/drift.json.
  test('has the published accuracy and AUC, before and after', () => {
    const before = binary(profile, countsOf(profile, reference), 0.95)
    const after = binary(profile, countsOf(profile, analysis), 0.95)
    expect(accuracyOf(reference)).toBeCloseTo(0.67, 3)
    expect(before.accuracy?.value).toBeCloseTo(accuracyOf(reference), 12)
    expect(after.accuracy?.value).toBeCloseTo(0.589, 3)
    expect(Math.abs((before.auc?.value ?? 0) - 0.908)).toBeLessThanOrEqual(0.002)
  })

  test('has by CBPE the published accuracy without a look at the outcomes', () => {
    const { negatives, positives } = countsOf(profile, analysis)
    const counts = negatives.map((rows, cell) => rows + (positives[cell] ?? 0))
    const told = estimate(profile, counts, 0.95)
    expect(Math.abs((told?.accuracy.value ?? 0) - 0.647)).toBeLessThanOrEqual(0.002)
    expect(Math.abs((told?.auc ?? 0) - 0.862)).toBeLessThanOrEqual(0.002)
    expect(told?.condition).toBe('if the concept did not change')
  })
})

describe('CBPE', () => {
  test('of the baseline itself is what the baseline was', () => {
    fc.assert(
      fc.property(rowsOf, (rows) => {
        const { negatives, positives } = countsOf(score, rows)
        const counts = negatives.map((count, cell) => count + (positives[cell] ?? 0))
        const truth = binary(score, { negatives, positives }, 0.95)
        const told = estimate({ ...score, counts, positives }, counts, 0.95)
        expect(told?.accuracy.value).toBeCloseTo(truth.accuracy?.value ?? Number.NaN, 12)
        expect(told?.auc ?? -1).toBeCloseTo(truth.auc?.value ?? -1, 9)
      }),
      { numRuns: 500 },
    )
  })

  test('has nothing to say without outcomes of the baseline or without rows', () => {
    expect(estimate(score, score.counts, 0.95)).toBeUndefined()
    const positives = score.counts.map((_, i) => (i === 3 ? 4 : 0))
    const counts = score.counts.map((_, i) => (i === 3 ? 8 : 0))
    expect(estimate({ ...score, counts, positives }, score.counts, 0.95)).toBeUndefined()
  })
})
