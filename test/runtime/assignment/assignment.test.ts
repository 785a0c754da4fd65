import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { assign, deploymentAt, moveRanges, parseSplit, randomBucket } from '../../../runtime/assignment/assignment.ts'
import { murmur3 } from '../../../runtime/assignment/murmur3.ts'
import { bucket } from '../../../runtime/assignment/schemes.ts'
import type { Range } from '../../../runtime/contract/plan.ts'

const whole = 1_000_000

/** Hash and bucket of u32-length-prefixed salt and unit, worked out with Python's struct and mmh3 5.3.0. */
const vectors: [salt: string, unit: string, hash: number, bucket: number][] = [
  ['digits:3', 'user-1', 1778730398, 414142],
  ['digits:3', 'user-2', 3678831828, 856544],
  ['digits:3', '', 2641258964, 614966],
  ['digits:3', 'Zoë', 1606212154, 373975],
  ['digits:3', 'Jürgen Groß', 3099551396, 721670],
  ['digits:3', 'naïve café', 360479177, 83930],
  ['digits:3', 'Łódź', 3112006579, 724570],
  ['digits:3', 'Ærøskøbing', 3256103112, 758120],
  ['digits:3', 'Ελλάδα', 1551200769, 361167],
  ['digits:3', 'Москва', 1276927756, 297307],
  ['digits:3', 'שלום', 3429167403, 798415],
  ['digits:3', 'مرحبا', 3212168890, 747891],
  ['digits:3', 'हिन्दी', 3504221212, 815890],
  ['digits:3', 'ไทย', 1842266919, 428936],
  ['digits:3', '東京', 2497844926, 581574],
  ['digits:3', '서울', 4071809838, 948042],
  ['digits:3', '👩‍🚀', 2315930100, 539219],
  ['digits:3', 'e\u0301', 1625618358, 378493],
  ['digits:3', '\u00e9', 1699300857, 395649],
  ['salz-ß:1', 'ユーザー-42', 683873734, 159226],
  ['a', 'bc', 1143632225, 266272],
  ['ab', 'c', 1206584791, 280929],
  ['digits:3:shadow', 'user-1', 2760382244, 642701],
  ['digits:3:sample', 'user-1', 3353773557, 780861],
]

describe('a bucket', () => {
  test.each(vectors)('under salt %j of unit %j comes from hash %d and is %d', (salt, unit, hash, expected) => {
    expect([murmur3(prefixed(salt, unit), 0), bucket(salt, unit)]).toEqual([hash, expected])
  })

  test('spreads units evenly: 100,000 units over 10 tenths', () => {
    const tenths = new Array<number>(10).fill(0)
    for (let unit = 0; unit < 100_000; unit++) {
      const tenth = Math.floor(bucket('digits:3', `user-${unit}`) / 100_000)
      tenths[tenth] = (tenths[tenth] ?? 0) + 1
    }
    // 5 standard deviations of a binomial with n = 100,000 and p = 0.1.
    for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(475)
  })
})

describe('a random bucket', () => {
  test.each([
    [0, 0],
    [0.4141425, 414_142],
    [1 - 2 ** -53, whole - 1],
  ])('of the random number %d is %d: a millionth each', (random, expected) => {
    vi.spyOn(Math, 'random').mockReturnValueOnce(random)
    expect(randomBucket()).toBe(expected)
  })
})

describe('assignment', () => {
  const ranges: Range[] = [
    ['blue', 0, 414_142],
    ['green', 414_142, 414_143],
    ['blue', 414_143, whole],
  ]

  test('gives the deployment whose range holds the bucket of the unit, first bucket included, last one not', () => {
    const given = (unit: string) => assign({ scheme: 'murmur3-ppm-1', salt: 'digits:3', ranges }, { unit })
    expect(given('user-1')).toEqual({ deployment: 'green', isBySplit: true })
    expect(given('user-2')).toEqual({ deployment: 'blue', isBySplit: true })
  })

  test('gives a bucket itself the deployment of its range', () => {
    expect([0, 414_141, 414_142, 414_143, whole - 1].map((at) => deploymentAt(ranges, at))).toEqual([
      'blue',
      'blue',
      'green',
      'blue',
      'blue',
    ])
  })

  test('gives nothing while there are no ranges', () => {
    const audience = { where: [{ attribute: 'country', equals: 'PL' }], otherwise: 'red' }
    const given = assign({ scheme: 'murmur3-ppm-1', salt: 'digits:3', ranges: [], audience }, { unit: 'user-1' })
    expect(given).toEqual({ deployment: undefined, isBySplit: true })
  })

  test('gives whom the split is not for the deployment of all others, whatever the unit', () => {
    const audience = { where: [{ attribute: 'country', equals: 'PL' }], otherwise: 'red' }
    const given = (country: string) =>
      assign(
        { scheme: 'murmur3-ppm-1', salt: 'digits:3', ranges, audience },
        { unit: 'user-1', attributes: { country } },
      )
    expect(given('PL')).toEqual({ deployment: 'green', isBySplit: true })
    expect(given('DE')).toEqual({ deployment: 'red', isBySplit: false })
  })
})

describe('a split in percent', () => {
  test('is parts per million without rounding errors', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole }), (ppm) => {
        // As JSON writes it: a decimal with four places.
        const percent = Number(`${Math.floor(ppm / 10_000)}.${String(ppm % 10_000).padStart(4, '0')}`)
        const other = Number(`${Math.floor((whole - ppm) / 10_000)}.${String((whole - ppm) % 10_000).padStart(4, '0')}`)
        expect(parseSplit({ blue: percent, green: other })).toEqual(
          new Map([
            ['blue', ppm],
            ['green', whole - ppm],
          ]),
        )
      }),
      { numRuns: 2000 },
    )
  })

  test('takes three thirds as far as four decimals go', () => {
    expect(parseSplit({ a: 33.3333, b: 33.3333, c: 33.3334 })).toEqual(
      new Map([
        ['a', 333_333],
        ['b', 333_333],
        ['c', 333_334],
      ]),
    )
  })

  test('may be all zeros', () => {
    expect(parseSplit({ blue: 0, green: 0 })).toEqual(
      new Map([
        ['blue', 0],
        ['green', 0],
      ]),
    )
    expect(parseSplit({})).toEqual(new Map())
  })

  test.each([
    ['a sum of 99', { blue: 90, green: 9 }],
    ['a sum of 99.999', { blue: 99.999 }],
    ['a sum over 100', { blue: 100, green: 0.0001 }],
    ['a negative share', { blue: 110, green: -10 }],
    ['a small negative share', { blue: 100, green: -1e-320 }],
    ['1e-320', { blue: 100, green: 1e-320 }],
    ['minus zero', { blue: 100, green: -0 }],
    ['five decimals', { blue: 99.99999, green: 0.00001 }],
    ['thirds of full precision', { a: 100 / 3, b: 100 / 3, c: 100 / 3 }],
    ['a sum of doubles that is off by one place', { blue: 0.1 + 0.2, green: 99.7 }],
    ['NaN', { blue: Number.NaN, green: 100 }],
    ['infinity', { blue: Number.POSITIVE_INFINITY }],
    ['1,000 arms', Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`arm-${i}`, 0.1]))],
  ])('AP-17: refuses %s', (_, percent) => {
    expect(() => parseSplit(percent as Record<string, number>)).toThrow(
      expect.objectContaining({ code: 'TRAFFIC_INVALID' }),
    )
  })
})

describe('ranges when a split changes', () => {
  const names = ['blue', 'green', 'red', 'grey', 'teal', 'pink']
  const split = fc
    .array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 })), {
      minLength: names.length,
      maxLength: names.length,
    })
    .filter((weights) => weights.some((weight) => weight > 0))
    .map(splitByWeights)
  const splits = fc.array(split, { minLength: 1, maxLength: 30 })

  function splitByWeights(weights: readonly number[]): Map<string, number> {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const shares = weights.map((weight) => Math.floor((weight / total) * whole))
    const rest = whole - shares.reduce((sum, share) => sum + share, 0)
    const largest = shares.indexOf(Math.max(...shares))
    return new Map(names.map((name, i) => [name, (shares[i] ?? 0) + (i === largest ? rest : 0)]))
  }

  test('rise without gaps from 0 to 1,000,000 and give each deployment exactly its share', () => {
    fc.assert(
      fc.property(splits, (sequence) => {
        let ranges: Range[] = []
        for (const ppm of sequence) {
          ranges = moveRanges(ranges, ppm)
          expect(ranges.map(([, from]) => from)).toEqual([0, ...ranges.slice(0, -1).map(([, , to]) => to)])
          expect(ranges.at(-1)?.[2]).toBe(whole)
          expect(sharesOf(ranges)).toEqual(new Map([...ppm].filter(([, share]) => share > 0).sort()))
        }
      }),
    )
  })

  test('move half the sum of all changes of share, and no bucket more', () => {
    fc.assert(
      fc.property(splits, (sequence) => {
        let ranges = moveRanges([], sequence[0] ?? new Map())
        for (const ppm of sequence) {
          const before = ranges
          ranges = moveRanges(before, ppm)
          expect(movedPpm(before, ranges)).toBe(halfDistance(sharesOf(before), ppm))
        }
      }),
    )
  })

  test('leave the buckets of a deployment that gets more where they were', () => {
    const before = moveRanges(
      [],
      new Map([
        ['blue', 900_000],
        ['green', 100_000],
      ]),
    )
    const after = moveRanges(
      before,
      new Map([
        ['blue', 750_000],
        ['green', 250_000],
      ]),
    )
    expect(before).toEqual([
      ['blue', 0, 900_000],
      ['green', 900_000, whole],
    ])
    expect(after).toEqual([
      ['blue', 0, 750_000],
      ['green', 750_000, whole],
    ])
  })

  test('hand all buckets of a deployment that is gone to the others', () => {
    const before: Range[] = [
      ['blue', 0, 500_000],
      ['green', 500_000, 750_000],
      ['red', 750_000, whole],
    ]
    expect(
      moveRanges(
        before,
        new Map([
          ['blue', 500_000],
          ['red', 500_000],
        ]),
      ),
    ).toEqual([
      ['blue', 0, 500_000],
      ['red', 500_000, whole],
    ])
  })

  test('depend on the shares alone and not on the order in which they are named', () => {
    fc.assert(
      fc.property(splits, (sequence) => {
        let ranges: Range[] = []
        let other: Range[] = []
        for (const ppm of sequence) {
          ranges = moveRanges(ranges, ppm)
          other = moveRanges(other, new Map([...ppm].reverse()))
          expect(other).toEqual(ranges)
        }
      }),
      { numRuns: 30 },
    )
  })

  test('stay fewer than pairs of deployments, however long buckets are handed to and fro', () => {
    const random = seeded(7)
    const shares = [whole, ...new Array<number>(9).fill(0)]
    let ranges: Range[] = []
    let most = 0
    for (let change = 0; change < 5000; change++) {
      const from = Math.floor(random() * shares.length)
      const to = Math.floor(random() * shares.length)
      const moved = Math.floor(random() * (shares[from] ?? 0))
      shares[from] = (shares[from] ?? 0) - moved
      shares[to] = (shares[to] ?? 0) + moved
      ranges = moveRanges(ranges, new Map(shares.map((share, i) => [`arm-${i}`, share])))
      most = Math.max(most, ranges.length)
    }
    expect(most).toBeLessThan(shares.length ** 2)
  })

  test('are none for a split of zeros', () => {
    expect(moveRanges([['blue', 0, whole]], new Map([['blue', 0]]))).toEqual([])
  })

  test('refuse a split that does not sum to a million', () => {
    expect(() => moveRanges([], new Map([['blue', 999_999]]))).toThrow(
      expect.objectContaining({ code: 'TRAFFIC_INVALID', message: 'the split sums to 99.9999 percent, want 100 or 0' }),
    )
  })
})

function prefixed(...parts: string[]): Uint8Array {
  return Buffer.concat(
    parts.map((part) => {
      const bytes = Buffer.from(part, 'utf8')
      const length = Buffer.alloc(4)
      length.writeUInt32LE(bytes.length)
      return Buffer.concat([length, bytes])
    }),
  )
}

function sharesOf(ranges: readonly Range[]): Map<string, number> {
  const shares = new Map<string, number>()
  for (const [name, from, to] of ranges) shares.set(name, (shares.get(name) ?? 0) + to - from)
  return new Map([...shares].sort())
}

function movedPpm(before: readonly Range[], after: readonly Range[]): number {
  let kept = 0
  for (const [name, from, to] of before) {
    for (const [other, start, end] of after) {
      if (name === other) kept += Math.max(0, Math.min(to, end) - Math.max(from, start))
    }
  }
  return whole - kept
}

function halfDistance(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const name of new Set([...before.keys(), ...after.keys()])) {
    sum += Math.abs((before.get(name) ?? 0) - (after.get(name) ?? 0))
  }
  return sum / 2
}

/** Park and Miller's generator: the same numbers on every machine. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
