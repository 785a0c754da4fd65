import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Feature, OutputMeaning } from '../../../runtime/contract/description.ts'
import { type NumericProfile, type ProfileSpec, profileSpec } from '../../../runtime/contract/profile-spec.ts'
import { estimate } from '../../../runtime/performance/estimate.ts'
import { buildProfileSpec } from '../../../runtime/telemetry/baseline.ts'
import { openProfile } from '../../../runtime/telemetry/profile.ts'

const x: Feature = { name: 'x', kind: 'numeric', input: 'in', index: 0 }

function specOf(values: readonly unknown[]): ProfileSpec {
  return buildProfileSpec({ features: [x], rows: values.map((value) => ({ x: value })), outputs: [] })
}

function numericOf(values: readonly unknown[]): NumericProfile {
  const [feature] = specOf(values).features
  if (feature?.kind !== 'numeric') throw new Error('not numeric')
  return feature
}

function nextFloat32(value: number): number {
  const bits = new DataView(new ArrayBuffer(4))
  bits.setFloat32(0, value)
  bits.setInt32(0, bits.getInt32(0) + 1)
  return bits.getFloat32(0)
}

describe('the cells of a number', () => {
  test('are 64 bins of equal mass and two empty outer cells where values do not repeat', () => {
    const values = Array.from({ length: 6400 }, (_, i) => i)
    const { edges, points, counts } = numericOf(values)
    expect(edges).toEqual([...Array.from({ length: 64 }, (_, i) => i * 100), nextFloat32(6399)])
    expect(points).toEqual([])
    expect(counts).toEqual([0, ...new Array(64).fill(100), 0, 0, 0, 0, 0])
  })

  test('hold at least 10 rows each in a small baseline', () => {
    const values = Array.from({ length: 35 }, (_, i) => i)
    const { edges, counts } = numericOf(values)
    expect(edges).toEqual([0, 10, 20, nextFloat32(34)])
    expect(counts).toEqual([0, 10, 10, 15, 0, 0, 0, 0, 0])
  })

  test('are one bin where there are fewer than 10 rows', () => {
    expect(numericOf([3, 1, 2])).toMatchObject({ edges: [1, nextFloat32(3)], counts: [0, 3, 0, 0, 0, 0, 0] })
  })

  test('give a value that holds 1/64 of the mass a point of its own', () => {
    // 100 of 6,400 rows are exactly 1/64; 99 are not.
    const values = [
      ...new Array(100).fill(10_000),
      ...new Array(99).fill(20_000),
      ...Array.from({ length: 6201 }, (_, i) => i),
    ]
    const { points, edges, counts } = numericOf(values)
    expect(points).toEqual([10_000])
    expect(counts[edges.length + 1]).toBe(100)
  })

  test('are points, which are edges as well, and the spaces below, between and above, where few values hold all the mass', () => {
    const values = [...new Array(300).fill(0), ...new Array(500).fill(1), ...new Array(200).fill(2)]
    expect(numericOf(values)).toEqual({
      name: 'x',
      kind: 'numeric',
      edges: [0, 1, 2, nextFloat32(2)],
      points: [0, 1, 2],
      counts: [0, 0, 0, 0, 0, 300, 500, 200, 0, 0, 0, 0],
    })
  })

  test('of a constant are the constant, what is below it and what is above', () => {
    expect(numericOf(new Array(50).fill(7))).toMatchObject({
      edges: [7],
      points: [7],
      counts: [0, 0, 50, 0, 0, 0, 0],
    })
  })

  test('of a column that is always missing are one for any number', () => {
    expect(numericOf([null, undefined, Number.NaN, null])).toMatchObject({
      edges: [],
      points: [],
      counts: [0, 3, 1, 0, 0],
    })
  })

  test('of no rows at all are one for any number', () => {
    expect(numericOf([])).toMatchObject({ edges: [], points: [], counts: [0, 0, 0, 0, 0] })
  })

  test('count missing, infinite and mistyped values apart and place no edge by them', () => {
    const values = [null, Number.NaN, Number.POSITIVE_INFINITY, 'seven', ...Array.from({ length: 20 }, (_, i) => i)]
    expect(numericOf(values)).toMatchObject({
      edges: [0, 10, nextFloat32(19)],
      counts: [0, 10, 10, 0, 1, 1, 1, 1],
    })
  })

  test('take 0 and minus zero for one value', () => {
    expect(numericOf([...new Array(20).fill(0), ...new Array(20).fill(-0)])).toMatchObject({ edges: [0], points: [0] })
  })

  test('end at the largest float32 without an infinite edge', () => {
    const largest = 3.4028234663852886e38
    expect(numericOf([0, largest]).edges).toEqual([0])
  })

  test('count every row of the baseline once, are strictly rising and leave the outer cells empty', () => {
    const value = fc.oneof(
      { weight: 4, arbitrary: fc.float() },
      { weight: 4, arbitrary: fc.integer({ min: -3, max: 3 }) },
      { weight: 2, arbitrary: fc.double() },
      { weight: 1, arbitrary: fc.constantFrom(null, undefined, 'x', -0) },
    )
    fc.assert(
      fc.property(fc.array(value, { maxLength: 400 }), (values) => {
        const spec = profileSpec.parse(JSON.parse(JSON.stringify(specOf(values))))
        const [feature] = spec.features
        if (feature?.kind !== 'numeric') throw new Error('not numeric')
        const { edges, points, counts } = feature
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(values.length)
        for (const rising of [edges, points]) expect(rising).toEqual([...new Set(rising)].sort((a, b) => a - b))
        const profile = openProfile(spec)
        for (const x of values) profile.countRow({ x })
        expect(profile.counts().counts.x).toEqual(counts)
        const finite = values.filter((each) => typeof each === 'number' && Number.isFinite(Math.fround(each)))
        if (finite.length === 0) return
        expect(counts[0]).toBe(0)
        // Between two points lies what lies there, however little.
        const inner = points.length > 0 ? [] : counts.slice(1, edges.length)
        if (inner.length > 1) for (const count of inner) expect(count).toBeGreaterThanOrEqual(10)
      }),
    )
  })

  test('do not depend on the order of the rows', () => {
    const values = Array.from({ length: 500 }, (_, i) => (i * i) % 97)
    expect(specOf(values.toReversed())).toEqual(specOf(values))
  })

  test('count every row at its place, in any order, where there are more different values than are kept apart', () => {
    // A fixed permutation of 100,003 numbers, which is prime, and 3,000 rows of one more.
    const values = Array.from({ length: 100_003 }, (_, i) => Math.fround(((i * 48_271) % 100_003) / 7))
    values.push(...new Array(3000).fill(-5))
    const spec = specOf(values)
    const profile = openProfile(spec)
    for (const x of values) profile.countRow({ x })
    const [feature] = spec.features
    expect(profile.counts().counts.x).toEqual(feature?.counts)
    expect(feature).toMatchObject({ points: [-5] })
    // 1/64 of 103,003 rows is 1,609.4.
    // The last bin has what is left over.
    const inner = feature?.kind === 'numeric' ? feature.counts.slice(2, feature.edges.length - 1) : []
    for (const count of inner) expect(Math.abs(count - 1609)).toBeLessThanOrEqual(20)
    expect(specOf(values.toReversed())).toEqual(spec)
  })
})

describe('the cells of a category', () => {
  test('are the values of the feature in their order, whatever the baseline holds', () => {
    const sex: Feature = {
      name: 'sex',
      kind: 'categorical',
      values: ['female', 'male'],
      encoding: 'onehot',
      input: 'in',
      index: 0,
    }
    const rows = [{ sex: 'male' }, { sex: 'male' }, { sex: 'other' }, {}]
    expect(buildProfileSpec({ features: [sex], rows, outputs: [] }).features).toEqual([
      { name: 'sex', kind: 'categorical', values: ['female', 'male'], counts: [0, 2, 1, 1, 0] },
    ])
  })
})

describe('the cells of an image', () => {
  test('are those of its three reductions', () => {
    const image: Feature = {
      name: 'image',
      kind: 'image',
      input: 'in',
      layout: 'NCHW',
      channels: 1,
      size: [28, 28],
      scale: 1,
      mean: [0],
      std: [1],
    }
    const rows = Array.from({ length: 20 }, (_, i) => ({
      'image.mean': i / 20,
      'image.std': 0.5,
      'image.zeros': i < 10 ? 0 : 1,
    }))
    const spec = buildProfileSpec({ features: [image], rows, outputs: [] })
    expect(spec.features).toMatchObject([
      { name: 'image.mean', reduction: { feature: 'image', statistic: 'mean' }, counts: [0, 10, 10, 0, 0, 0, 0, 0] },
      { name: 'image.std', reduction: { feature: 'image', statistic: 'std' }, points: [0.5] },
      { name: 'image.zeros', reduction: { feature: 'image', statistic: 'zeros' }, points: [0, 1] },
    ])
  })
})

describe('the cells of outputs', () => {
  const output: OutputMeaning = {
    kind: 'classification',
    tensor: 'p',
    activation: 'none',
    classes: ['low', 'high'],
    threshold: 0.3,
  }

  function scoreCells(scores: readonly number[]): NumericProfile {
    const outputs = scores.map((score) => ({ class: score >= 0.3 ? 'high' : 'low', score }))
    const score = buildProfileSpec({ features: [], output, rows: [], outputs }).outputs[1]
    if (score?.kind !== 'numeric') throw new Error('not numeric')
    return score
  }

  test('of a classification are its classes and the score with the threshold among the edges', () => {
    const scores = Array.from({ length: 40 }, (_, i) => Math.fround(i / 40))
    const score = scoreCells(scores)
    expect(score.threshold).toBe(0.3)
    // 12 of 40 scores are below 0.3: one bin of 12, then 10 and 18, of which 18 < 2 * 10 stays one.
    expect(score.edges).toEqual([0, 0.3, Math.fround(22 / 40), nextFloat32(Math.fround(39 / 40))])
    expect(score.counts).toEqual([0, 12, 10, 18, 0, 0, 0, 0, 0])
  })

  test('have the threshold as an edge even where all scores are on one side', () => {
    expect(scoreCells([0.5, 0.6]).edges).toEqual([0.3, Math.fround(0.5), nextFloat32(Math.fround(0.6))])
    expect(scoreCells([0.1, 0.2]).edges).toEqual([Math.fround(0.1), nextFloat32(Math.fround(0.2)), 0.3])
  })

  test('have positives by cell of the score where every outcome is known', () => {
    const outputs = Array.from({ length: 40 }, (_, i) => ({ class: 'low', score: Math.fround(i / 40) }))
    const told = (outcomes: (boolean | undefined)[]) => {
      const score = buildProfileSpec({ features: [], output, rows: [], outputs, outcomes }).outputs[1]
      return score?.kind === 'numeric' ? score.positives : undefined
    }
    // The bins hold 12, 10 and 18 scores; every second outcome is positive.
    expect(told(outputs.map((_, i) => i % 2 === 0))).toEqual([0, 6, 5, 9, 0, 0, 0, 0, 0])
    expect(told(outputs.map((_, i) => (i === 7 ? undefined : true)))).toBeUndefined()
    expect(told([])).toBeUndefined()
  })

  test('put a score on the side of its class', () => {
    // The float32 nearest to 0.3 is above it; the one before is below.
    const spec = buildProfileSpec({ features: [], output, rows: [], outputs: [{ score: 0.1 }, { score: 0.9 }] })
    const profile = openProfile(spec)
    profile.countOutput({ class: 'high', score: 0.30000001192092896 })
    profile.countOutput({ class: 'low', score: 0.29999998211860657 })
    expect(profile.counts().outputs.score).toEqual([0, 1, 1, 0, 0, 0, 0, 0])
  })

  test('of a regression are those of its value', () => {
    const outputs = Array.from({ length: 10 }, (_, i) => ({ value: i }))
    const spec = buildProfileSpec({ features: [], output: { kind: 'regression', tensor: 'y' }, rows: [], outputs })
    expect(spec.outputs).toEqual([
      { name: 'value', kind: 'numeric', edges: [0, nextFloat32(9)], points: [], counts: [0, 10, 0, 0, 0, 0, 0] },
    ])
  })

  test('of more than 10,000 classes are those of the score alone', () => {
    const classes = Array.from({ length: 10_001 }, (_, i) => `class-${i}`)
    const many: OutputMeaning = { kind: 'classification', tensor: 'p', activation: 'softmax', classes }
    expect(buildProfileSpec({ features: [], output: many, rows: [], outputs: [] }).outputs.map((o) => o.name)).toEqual([
      'score',
    ])
  })
})

const housing = new URL('../../../../shared/data/california_housing_reference.csv', import.meta.url)

describe('a real baseline', () => {
  test.skipIf(!existsSync(housing))(
    'of California housing gives 8 features with bins of at least 1/64 or a point',
    () => {
      const [header = '', ...lines] = readFileSync(housing, 'utf8').trim().split('\n')
      const names = header.split(',').slice(1, 9)
      const rows = lines.map((line) => {
        const cells = line.split(',').slice(1, 9)
        return Object.fromEntries(names.map((name, i) => [name, Number(cells[i])]))
      })
      const features = names.map((name, index): Feature => ({ name, kind: 'numeric', input: 'x', index }))
      const spec = buildProfileSpec({ features, rows, outputs: [] })
      for (const feature of spec.features) {
        if (feature.kind !== 'numeric') throw new Error('not numeric')
        expect(feature.counts.reduce((sum, count) => sum + count, 0)).toBe(rows.length)
        // 1/64 of 5,832 rows is 91.1.
        for (const count of feature.counts.slice(0, feature.edges.length)) expect(count).toBeLessThanOrEqual(100)
      }
      // HouseAge is capped at 52 years and MedInc at 15.0001, the data set's known point masses.
      expect(spec.features.find((feature) => feature.name === 'HouseAge')).toMatchObject({
        points: expect.arrayContaining([52]),
      })
    },
  )

  // vectors/drift.json, "cbpe": of row-level scores.
  test.skipIf(!existsSync(housing))(
    'of California housing with its outcomes gives the published estimate without any',
    () => {
      const read = (file: URL) => {
        const [header = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n')
        const [score, target] = ['y_pred_proba', 'clf_target'].map((name) => header.split(',').indexOf(name))
        return lines.map((line) => {
          const cells = line.split(',')
          return { score: Number(cells[score ?? -1]), isPositive: cells[target ?? -1] === '1' }
        })
      }
      const output: OutputMeaning = {
        kind: 'classification',
        tensor: 'p',
        activation: 'none',
        classes: ['low', 'high'],
        threshold: 0.8,
      }
      const reference = read(housing)
      const outputsOf = (rows: typeof reference) =>
        rows.map(({ score }) => ({ class: score >= 0.8 ? 'high' : 'low', score }))
      const outcomes = reference.map(({ isPositive }) => isPositive)
      const spec = buildProfileSpec({ features: [], output, rows: [], outputs: outputsOf(reference), outcomes })
      const profile = openProfile(spec)
      for (const answer of outputsOf(read(new URL('california_housing_analysis.csv', housing))))
        profile.countOutput(answer)
      const score = spec.outputs.find(({ name }) => name === 'score') as NumericProfile
      expect(score.positives?.reduce((sum, count) => sum + count, 0)).toBe(outcomes.filter(Boolean).length)
      const estimated = estimate(score, profile.counts().outputs.score ?? [], 0.95)
      expect(Math.abs((estimated?.accuracy.value ?? 0) - 0.647)).toBeLessThanOrEqual(0.002)
      expect(Math.abs((estimated?.auc ?? 0) - 0.862)).toBeLessThanOrEqual(0.002)
    },
  )
})
