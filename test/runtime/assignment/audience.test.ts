import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareVersions, isOfAudience } from '../../../runtime/assignment/audience.ts'
import { type Attributes, audience, type Condition } from '../../../runtime/contract/audience.ts'

const holds = (condition: Condition, attributes: Attributes) =>
  isOfAudience({ where: [condition], otherwise: 'blue' }, 'murmur3-ppm-1', { attributes })

describe('a condition', () => {
  test.each<[Condition, Attributes, boolean]>([
    [{ attribute: 'country', equals: 'de' }, { country: 'de' }, true],
    [{ attribute: 'country', equals: 'de' }, { country: 'fr' }, false],
    [{ attribute: 'country', equals: 'de' }, {}, false],
    [{ attribute: 'age', equals: '5' }, { age: 5 }, false],
    [{ attribute: 'constructor', in: ['x'] }, {}, false],
    [{ attribute: 'country', in: ['de', 'at'] }, { country: 'at' }, true],
    [{ attribute: 'country', in: ['de', 'at'] }, { country: 'ch' }, false],
    [{ attribute: 'age', from: 18 }, { age: 18 }, true],
    [{ attribute: 'age', from: 18, below: 65 }, { age: 65 }, false],
    [{ attribute: 'age', below: 65 }, { age: '20' }, false],
    [{ attribute: 'app', version: { from: '1.10.0' } }, { app: '1.9.9' }, false],
    [{ attribute: 'app', version: { from: '1.10.0', below: '2.0.0' } }, { app: '1.12.3' }, true],
    [{ attribute: 'app', version: { below: '2.0.0' } }, { app: '2.0.0-rc.1' }, true],
    [{ attribute: 'app', version: { from: '1.0.0' } }, { app: 'latest' }, false],
  ])('%j of %j: %s', (condition, attributes, expected) => {
    expect(holds(condition, attributes)).toBe(expected)
  })

  test('all of them have to hold', () => {
    const where: Condition[] = [
      { attribute: 'country', equals: 'de' },
      { attribute: 'age', from: 18 },
    ]
    const isIn = (attributes: Attributes) => isOfAudience({ where, otherwise: 'blue' }, 'murmur3-ppm-1', { attributes })
    expect([isIn({ country: 'de', age: 20 }), isIn({ country: 'de', age: 3 })]).toEqual([true, false])
  })
})

describe('the order of versions', () => {
  // SemVer 2.0.0, section 11, with its own examples.
  const ordered = [
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '2.0.0',
    '2.1.0',
    '2.1.1',
    '2.10.0',
  ]

  test('is that of the specification, whatever the order they come in', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(ordered, { minLength: ordered.length }), (shuffled) => {
        expect(shuffled.toSorted(compareVersions)).toEqual(ordered)
      }),
    )
  })

  test('does not count build metadata', () => {
    expect(compareVersions('1.0.0+20130313', '1.0.0+exp.sha-5114f85')).toBe(0)
  })
})

describe('a namespace', () => {
  test('gives each of its endpoints units of its own: none is in two, each is in one', () => {
    const of = (from: number, below: number) => ({ namespace: { name: 'checkout', from, below }, otherwise: 'blue' })
    const endpoints = [of(0, 300_000), of(300_000, 1_000_000)]
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (unit) => {
        expect(endpoints.filter((each) => isOfAudience(each, 'murmur3-ppm-1', { unit }))).toHaveLength(1)
      }),
      { numRuns: 1000 },
    )
  })

  test('has nobody without a unit', () => {
    const all = { namespace: { name: 'checkout', from: 0, below: 1_000_000 }, otherwise: 'blue' }
    expect(isOfAudience(all, 'murmur3-ppm-1', {})).toBe(false)
  })
})

test.each([
  ['a condition of two kinds', { where: [{ attribute: 'a', equals: 1, in: [1] }], otherwise: 'blue' }],
  ['a version that is none', { where: [{ attribute: 'a', version: { from: '1.x' } }], otherwise: 'blue' }],
  ['no deployment for the others', { where: [] }],
])('%s is refused', (_, body) => {
  expect(audience.safeParse(body).success).toBe(false)
})
