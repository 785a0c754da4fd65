/** Every shared document of design, section 9, as it stands on the wire. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { description } from '../../runtime/contract/description.ts'
import { golden } from '../../runtime/contract/golden.ts'
import { plan } from '../../runtime/contract/plan.ts'
import { profileSpec } from '../../runtime/contract/profile-spec.ts'
import { latencyEdgesMs, telemetryReport } from '../../runtime/contract/telemetry.ts'

const documents: Record<string, z.ZodType> = {
  'selvedge.json': description,
  'plan.json': plan,
  'profile-spec.json': profileSpec,
  'telemetry.json': telemetryReport,
  'golden.json': golden,
}

describe.each(Object.entries(documents))('%s', (file, schema) => {
  const read = (): Record<string, unknown> => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'))

  test('is read without a change', () => {
    expect(schema.parse(read())).toEqual(read())
  })

  test('RT-13: is refused with a field that the contract does not know', () => {
    const result = schema.safeParse({ ...read(), surplus: true })
    expect(result.error?.issues[0]?.code).toBe('unrecognized_keys')
  })

  test('is refused without any one of its required fields', () => {
    const whole = read()
    const optional = ['features', 'output', 'golden', 'profile', 'environment', 'provenance', 'shadow', 'audit']
    for (const field of Object.keys(whole).filter(
      (each) => !(optional.includes(each) && file !== 'profile-spec.json'),
    )) {
      const { [field]: _, ...rest } = whole
      expect(schema.safeParse(rest).success, `without ${field}`).toBe(false)
    }
  })
})

describe('names on the wire', () => {
  test('a digest is anchored: nothing stands before or after its 64 digits', () => {
    const digest = plan.shape.deployments.element.shape.manifest
    const good = `sha256:${'a'.repeat(64)}`
    expect(digest.safeParse(good).success).toBe(true)
    for (const bad of [
      `${good}\n`,
      `/${good}`,
      good.toUpperCase(),
      'sha256:../../../canary',
      `sha512:${'a'.repeat(64)}`,
    ]) {
      expect(digest.safeParse(bad).success, bad).toBe(false)
    }
  })

  test('an endpoint is one OCI name component', () => {
    const { endpoint } = plan.shape
    for (const good of ['a', 'digits', 'a-b', 'a--b', 'a.b', 'a_b', 'a__b']) {
      expect(endpoint.safeParse(good).success, good).toBe(true)
    }
    for (const bad of ['', '..', 'a/b', 'A', 'a..b', '-a', 'a-', ' a', 'a\n', 'ä', 'a'.repeat(129)]) {
      expect(endpoint.safeParse(bad).success, bad).toBe(false)
    }
  })

  test('the latency histogram has one cell more than edges', () => {
    expect(
      telemetryReport.shape.profiles.element.shape.latency.safeParse(Array(latencyEdgesMs.length + 1).fill(0)).success,
    ).toBe(true)
  })
})
