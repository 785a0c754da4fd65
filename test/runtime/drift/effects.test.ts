import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Feature } from '../../../runtime/contract/description.ts'
import type { NumericProfile } from '../../../runtime/contract/profile-spec.ts'
import { jensenShannon, ksBracket, lInfinity, overflow, psi, wasserstein } from '../../../runtime/drift/effects.ts'
import { buildProfileSpec } from '../../../runtime/telemetry/baseline.ts'
import { openProfile } from '../../../runtime/telemetry/profile.ts'
import { openRandom } from './random.ts'

const shared = fileURLToPath(new URL('../../../../shared/', import.meta.url))
const vectorsFile = `${shared}vectors/drift.json`
const isPresent = existsSync(vectorsFile)
const vectors = isPresent ? JSON.parse(readFileSync(vectorsFile, 'utf8')) : undefined

/** Every value a point: counts then say all about the rows. */
function exact(...samples: readonly (readonly number[])[]): NumericProfile {
  const points = [...new Set(samples.flat().map(Math.fround))].sort((a, b) => a - b)
  return { name: 'x', kind: 'numeric', edges: [], points, counts: [] }
}

function count(feature: NumericProfile, values: readonly number[], weights?: readonly number[]): number[] {
  if (weights !== undefined) {
    const counts = new Array<number>(feature.points.length + 5).fill(0)
    for (const [i, value] of values.entries()) {
      const cell = 1 + feature.points.indexOf(Math.fround(value))
      counts[cell] = (counts[cell] ?? 0) + (weights[i] ?? 0)
    }
    return counts
  }
  const profile = openProfile({ features: [feature], outputs: [] })
  for (const x of values) profile.countRow({ x })
  return profile.counts().counts.x ?? []
}

function statistic(a: readonly number[], b: readonly number[]) {
  const feature = exact(a, b)
  return ksBracket(feature, count(feature, a), count(feature, b))
}

const range = (from: number, count: number, step = 1) => Array.from({ length: count }, (_, i) => from + i * step)

describe('effect sizes of published examples', () => {
  test('KS of SciPy: one hundred numbers against 110 that are shifted', () => {
    const a = range(1, 100)
    const b = range(1, 110, 99 / 109)
    expect(
      statistic(
        a,
        b.map((x) => x + 20.1),
      ).low,
    ).toBeCloseTo(232 / 1100, 9)
    expect(
      statistic(
        a,
        b.map((x) => x + 19.9),
      ).low,
    ).toBeCloseTo(229 / 1100, 9)
  })

  test('KS of SciPy: ties', () => {
    const a = [2, 2, 2, 3, 3, 3, 3, 5, 5, 5, 5, 5, 6, 6, 6, 6]
    const { low, high } = statistic(
      a,
      a.map((x) => x + 1),
    )
    expect(low).toBeCloseTo(5 / 16, 9)
    expect(high).toBeCloseTo(5 / 16, 9)
  })

  test.each([
    { u: [0, 1], v: [0], uWeights: [3, 1], vWeights: [1], value: 0.25 },
    { u: [4.5, 6.7, 2.1], v: [4.6, 7, 9.2], uWeights: [3, 1, 1], vWeights: [1, 3, 1], value: 2.5 },
  ])('Wasserstein of SciPy: $value', ({ u, v, uWeights, vWeights, value }) => {
    const feature = exact(u, v)
    // Values are rounded to float32 before they are counted.
    expect(wasserstein(feature, count(feature, u, uWeights), count(feature, v, vWeights))).toBeCloseTo(value, 6)
  })

  const even = new Array<number>(8).fill(100)
  test.each([
    {
      baseline: even,
      current: [180, 80, 70, 170, 200, 10, 130, 100],
      js: 0.257323,
      add: 0.408754,
      floor: 0.423294,
      most: 0.1144,
    },
    { baseline: [3, 1, 4], current: [2, 3, 0], js: 0.610231, add: 0.747661, floor: 5.004451, most: 0.5 },
  ])('Jensen-Shannon $js, PSI by two conventions, L-infinity', ({ baseline, current, js, add, floor, most }) => {
    expect(jensenShannon(baseline, current)).toBeCloseTo(js, 5)
    expect(psi(baseline, current, { add: 1 })).toBeCloseTo(add, 5)
    expect(psi(baseline, current, { floor: 1e-4 })).toBeCloseTo(floor, 5)
    expect(lInfinity(baseline, current)).toBeCloseTo(most, 4)
  })

  test('PSI is the same whatever cells there are that neither has', () => {
    expect(psi([300, 200, 0, 0], [20, 30, 0, 0])).toBe(psi([300, 200], [20, 30]))
  })

  test.skipIf(!isPresent)('every example of the vectors, to the digits given', () => {
    for (const { reference, current, js_distance_base2, psi_laplace, l_infinity, ...rest } of vectors.counts) {
      expect(jensenShannon(reference, current)).toBeCloseTo(js_distance_base2, 5)
      expect(psi(reference, current, { add: 1 })).toBeCloseTo(psi_laplace, 5)
      expect(psi(reference, current, { floor: 1e-4 })).toBeCloseTo(rest['psi_eps_1e-4'], 5)
      expect(lInfinity(reference, current)).toBeCloseTo(l_infinity, 4)
    }
  })
})

// Debian's python3-scipy, where it is there.
const scipy = (program: string, input: unknown) =>
  spawnSync('python3', ['-c', `import json, sys\n${program}`], { input: JSON.stringify(input), encoding: 'utf8' })
const hasScipy = scipy('import scipy.stats, scipy.spatial', null).status === 0

describe.skipIf(!hasScipy)('effect sizes of random samples', () => {
  test('are those of SciPy', () => {
    const { normal, uniform } = openRandom(5)
    const cases = Array.from({ length: 200 }, (_, i) => {
      const round = i % 2 === 0 ? 4 : 1024
      const sample = (shift: number) =>
        Array.from({ length: 5 + Math.floor(uniform() * 200) }, () => Math.round((normal() + shift) * round) / round)
      const cells = () => Array.from({ length: 8 }, () => 1 + Math.floor(uniform() * 100))
      return { a: sample(0), b: sample(uniform()), p: cells(), q: cells() }
    })
    const program = [
      'from scipy.stats import ks_2samp, wasserstein_distance',
      'from scipy.spatial.distance import jensenshannon',
      'cases = json.load(sys.stdin)',
      'print(json.dumps([[ks_2samp(c["a"], c["b"], method="asymp").statistic, wasserstein_distance(c["a"], c["b"]),',
      '  jensenshannon(c["p"], c["q"], base=2)] for c in cases]))',
    ]
    const { stdout, stderr } = scipy(program.join('\n'), cases)
    expect(stderr).toBe('')
    for (const [i, [d, w, js]] of (JSON.parse(stdout) as number[][]).entries()) {
      const { a = [], b = [], p = [], q = [] } = cases[i] ?? {}
      const feature = exact(a, b)
      const counts = [count(feature, a), count(feature, b)] as const
      expect(ksBracket(feature, ...counts).low).toBeCloseTo(d ?? 0, 9)
      expect(ksBracket(feature, ...counts).high).toBeCloseTo(d ?? 0, 9)
      expect(wasserstein(feature, ...counts)).toBeCloseTo(w ?? 0, 9)
      expect(jensenShannon(p, q)).toBeCloseTo(js ?? 0, 9)
    }
  })
})

describe('our convention of PSI', () => {
  test('adds half a row to each cell', () => {
    // (3/4 - 1/4) ln 3 for each of two cells: (2.5 + .5)/4 and so on, on paper.
    expect(psi([0, 1], [1, 0])).toBeCloseTo(Math.log(3), 12)
  })

  test('refuses counts of other cells', () => {
    expect(() => psi([1, 2], [1])).toThrow(expect.objectContaining({ code: 'EDGES_DIFFER' }))
  })
})

describe('the bracket of KS', () => {
  const sample = fc.array(
    fc.double({ min: -4, max: 4, noNaN: true }).map((x) => Math.fround(Math.round(x * 8) / 8)),
    {
      minLength: 1,
      maxLength: 60,
    },
  )
  test('holds the statistic of the rows themselves, whatever the edges and points', () => {
    const cut = fc.uniqueArray(fc.integer({ min: -40, max: 40 }), { maxLength: 8 }).map((all) => all.map((x) => x / 10))
    fc.assert(
      fc.property(
        sample,
        sample,
        cut,
        fc.uniqueArray(fc.integer({ min: -32, max: 32 }), { maxLength: 4 }),
        (a, b, cuts, at) => {
          const edges = [...new Set(cuts.map(Math.fround))].sort((x, y) => x - y)
          const points = at.map((x) => x / 8).sort((x, y) => x - y)
          const feature: NumericProfile = { name: 'x', kind: 'numeric', edges, points, counts: [] }
          const { low, high } = ksBracket(feature, count(feature, a), count(feature, b))
          const exactD = ksOfRows(a, b)
          expect(low).toBeLessThanOrEqual(exactD + 1e-12)
          expect(high).toBeGreaterThanOrEqual(exactD - 1e-12)
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('the Wasserstein distance', () => {
  test('counts rows beyond the range as its ends, whose share stands apart', () => {
    const feature: NumericProfile = { name: 'x', kind: 'numeric', edges: [0, 1, 2], points: [], counts: [] }
    const baseline = [0, 10, 0, 0, 0, 0, 0, 0]
    const current = [0, 0, 0, 10, 0, 0, 0, 0]
    // From a middle of 0.5 to the end, 2.
    expect(wasserstein(feature, baseline, current)).toBeCloseTo(1.5, 12)
    expect(overflow(feature, current)).toEqual({ below: 0, above: 1 })
  })
})

describe.skipIf(!isPresent)('California housing', () => {
  const read = (file: string) => {
    const [head = '', ...lines] = readFileSync(`${shared}data/${file}`, 'utf8').trim().split('\n')
    const names = head.split(',')
    const rows = lines.map((line) => line.split(',').map(Number))
    return (name: string) => rows.map((row) => row[names.indexOf(name)] ?? Number.NaN)
  }
  const reference = read('california_housing_reference.csv')
  const analysis = read('california_housing_analysis.csv')

  test.each(['MedInc', 'HouseAge', 'AveRooms', 'AveBedrms', 'Latitude'])('%s: KS, Wasserstein and PSI', (name) => {
    const [a, b] = [reference(name), analysis(name)]
    const { ks_D_exact, w1_over_reference_std_population, psi_reference_deciles_eps_1e_4 } = Object.fromEntries(
      Object.entries(vectors.california_housing).map(([key, value]) => [key.replace('1e-4', '1e_4'), value]),
    ) as Record<string, Record<string, number>>
    expect(ksOfRows(a, b)).toBeCloseTo(ks_D_exact?.[name] ?? 0, 6)
    const feature = exact(a, b)
    const [baseline, current] = [count(feature, a), count(feature, b)]
    const mean = a.reduce((sum, x) => sum + x, 0) / a.length
    const deviation = Math.sqrt(a.reduce((sum, x) => sum + (x - mean) ** 2, 0) / a.length)
    const w1 = wasserstein(feature, baseline, current) / deviation
    expect(w1).toBeCloseTo(w1_over_reference_std_population?.[name] ?? 0, 5)
    const sorted = a.toSorted((x, y) => x - y)
    const deciles = range(1, 9).map((i) => quantile(sorted, i / 10))
    const cells = (values: readonly number[]) => {
      const places = values.map((x) => deciles.filter((edge) => edge <= x).length)
      return range(0, 10).map((cell) => places.filter((place) => place === cell).length)
    }
    expect(psi(cells(a), cells(b), { floor: 1e-4 })).toBeCloseTo(psi_reference_deciles_eps_1e_4?.[name] ?? 0, 5)
  })
})

describe.skipIf(!isPresent)('KS brackets of a baseline of 64 bins', () => {
  const columns = (file: string) => {
    const [names = [], ...rows] = parse(readFileSync(`${shared}data/${file}`)) as string[][]
    const isNumeric = (place: number) =>
      rows.every((row) => !Number.isNaN(Number(row[place] || Number.NaN)) || row[place] === '')
    const numbers = (place: number) => rows.map((row) => row[place] || undefined).filter((text) => text !== undefined)
    return names.flatMap((name, i) => (isNumeric(i) ? [{ name, values: numbers(i).map(Number) }] : []))
  }

  test.each([
    ['california_housing', 11],
    ['titanic', 6],
  ])('hold D on every column of %s and are at most 0.02 wide', (name, wanted) => {
    const analysis = columns(`${name}_analysis.csv`)
    let compared = 0
    for (const { name: column, values } of columns(`${name}_reference.csv`)) {
      const now = analysis.find((each) => each.name === column)?.values ?? []
      // 83 passengers have a body's number: no 64 bins.
      if (values.length < 640 || now.length === 0) continue
      compared++
      const x: Feature = { name: 'x', kind: 'numeric', input: 'x', index: 0 }
      const [feature] = buildProfileSpec({
        features: [x],
        rows: values.map((value) => ({ x: value })),
        outputs: [],
      }).features
      if (feature?.kind !== 'numeric') throw new Error('not numeric')
      const { low, high } = ksBracket(feature, feature.counts, count(feature, now))
      const exactD = ksOfRows(values.map(Math.fround), now.map(Math.fround))
      expect(low, column).toBeLessThanOrEqual(exactD + 1e-12)
      expect(high, column).toBeGreaterThanOrEqual(exactD - 1e-12)
      expect(high - low, column).toBeLessThanOrEqual(0.02)
    }
    expect(compared).toBe(wanted)
  })
})

function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0]
  return low + (at - Math.floor(at)) * (high - low)
}

function ksOfRows(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [a.toSorted((p, q) => p - q), b.toSorted((p, q) => p - q)]
  let [i, j, most] = [0, 0, 0]
  while (i < x.length || j < y.length) {
    const at = Math.min(x[i] ?? Number.POSITIVE_INFINITY, y[j] ?? Number.POSITIVE_INFINITY)
    while (i < x.length && x[i] === at) i++
    while (j < y.length && y[j] === at) j++
    most = Math.max(most, Math.abs(i / x.length - j / y.length))
  }
  return most
}
