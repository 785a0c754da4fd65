import { describe, expect, test } from 'vitest'
import {
  parseDeploymentReference,
  parseList,
  parseModelReference,
  parsePort,
  parseVersion,
} from '../../../server/cli/names.ts'
import { collectShare, parseShadow } from '../../../server/cli/traffic.ts'

describe('names on the command line', () => {
  test('a model may carry a version or an alias', () => {
    expect(parseModelReference('housing')).toEqual({ model: 'housing' })
    expect(parseModelReference('housing@12')).toEqual({ model: 'housing', version: 12 })
    expect(parseModelReference('housing@champion')).toEqual({ model: 'housing', alias: 'champion' })
    expect(parseModelReference('housing@v1.5')).toEqual({ model: 'housing', alias: 'v1.5' })
  })

  test.each(['housing@', 'housing@0', 'housing@01', 'housing@.5', 'housing@1@2', 'Housing', '../x', ''])(
    'the model %j is refused',
    (text) => expect(() => parseModelReference(text)).toThrow('Want'),
  )

  test('a deployment stands behind its endpoint', () => {
    expect(parseDeploymentReference('housing/green')).toEqual({ endpoint: 'housing', deployment: 'green' })
  })

  test.each(['housing', 'housing/', '/green', 'a/b/c', 'housing/GREEN'])('the deployment %j is refused', (text) =>
    expect(() => parseDeploymentReference(text)).toThrow('Want'),
  )

  test('a list takes names that hold a comma in quotes', () => {
    expect(parseList('a, b,c')).toEqual(['a', 'b', 'c'])
    expect(parseList('"price, usd",b,"say ""x"""')).toEqual(['price, usd', 'b', 'say "x"'])
  })

  test.each(['', 'a,a', '""'])('the list %j is refused', (text) => expect(() => parseList(text)).toThrow())

  test('a port is a whole number up to 65535', () => {
    expect(parsePort('0')).toBe(0)
    expect(() => parsePort('65536')).toThrow('Want a port')
    expect(() => parsePort('0x10')).toThrow('Want a port')
  })
})

describe('a version', () => {
  test('is any number that the registry counts to', () => {
    expect(parseVersion('12345')).toBe(12_345)
    expect(parseVersion('999999999999999')).toBe(999_999_999_999_999)
  })

  test.each(['0', '01', '-1', '1.5', '1e3', 'champion', ''])('is not "%s"', (text) => {
    expect(() => parseVersion(text)).toThrow('Want a version number')
  })
})

describe('a shadow of traffic', () => {
  test('is a deployment with its share, or none', () => {
    expect(parseShadow('green=20')).toEqual({ deployment: 'green', percent: 20 })
    expect(parseShadow('none')).toEqual({})
    expect(() => parseShadow('green')).toThrow('Want <deployment>=<percent>')
  })
})

describe('shares of traffic', () => {
  test('are collected by deployment, with or without a percent sign', () => {
    expect(collectShare('green=0.0001%', collectShare('blue=99.9999', undefined))).toEqual({
      blue: 99.9999,
      green: 0.0001,
    })
  })

  test('are passed on where only the registry knows that they are wrong', () => {
    expect(collectShare('blue=-5', undefined)).toEqual({ blue: -5 })
  })

  test.each(['blue', 'blue=', 'blue=x', '=5', 'blue=1e3', 'Blue=5'])('%j is refused', (text) =>
    expect(() => collectShare(text, undefined)).toThrow('Want'),
  )

  test('are refused where a deployment stands twice', () => {
    expect(() => collectShare('blue=50', { blue: 50 })).toThrow('twice')
  })
})
