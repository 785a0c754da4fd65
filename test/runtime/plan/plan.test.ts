import { readFileSync } from 'node:fs'
import { CompactSign, exportJWK, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Plan, plan as planSchema } from '../../../runtime/contract/plan.ts'
import { checkAdoptable, verifyPlan } from '../../../runtime/plan/plan.ts'

const plan: Plan = planSchema.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
)
const before = Date.parse(plan.expiresAt) - 1

describe('verifying a plan', () => {
  let privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey']
  let key: string
  let otherKey: string

  beforeAll(async () => {
    const pair = await generateKeyPair('Ed25519')
    privateKey = pair.privateKey
    key = `ed25519:${(await exportJWK(pair.publicKey)).x}`
    otherKey = `ed25519:${(await exportJWK((await generateKeyPair('Ed25519')).publicKey)).x}`
  })

  const sign = (payload: unknown, header: object = {}) =>
    new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'Ed25519', ...header })
      .sign(privateKey)

  test('gives the plan that a pinned key signed, whichever place the key has in the list', async () => {
    expect(await verifyPlan(await sign(plan), [otherKey, key])).toEqual(plan)
  })

  test('RT-15: refuses another key, whatever the header says about keys', async () => {
    for (const header of [{}, { kid: '../x' }, { jwk: { kty: 'OKP' } }, { jku: 'https://evil.example' }]) {
      await expect(verifyPlan(await sign(plan, header), [otherKey])).rejects.toMatchObject({ code: 'PLAN_SIGNATURE' })
    }
  })

  test('RT-15: refuses an edited payload', async () => {
    const [header, , signature] = (await sign(plan)).split('.')
    const edited = Buffer.from(JSON.stringify({ ...plan, revision: plan.revision + 1 })).toString('base64url')
    await expect(verifyPlan(`${header}.${edited}.${signature}`, [key])).rejects.toMatchObject({
      code: 'PLAN_SIGNATURE',
    })
  })

  test('AU-01: refuses a JWS without signature or with an algorithm that its sender chose', async () => {
    const payload = Buffer.from(JSON.stringify(plan)).toString('base64url')
    for (const alg of ['none', 'HS256']) {
      const header = Buffer.from(JSON.stringify({ alg })).toString('base64url')
      await expect(verifyPlan(`${header}.${payload}.`, [key])).rejects.toMatchObject({ code: 'PLAN_SIGNATURE' })
    }
  })

  test('refuses HTML in place of a plan', async () => {
    await expect(verifyPlan('<!doctype html>', [key])).rejects.toMatchObject({ code: 'PLAN_SIGNATURE' })
  })

  test('refuses a signed document that is no plan, naming the field', async () => {
    await expect(verifyPlan(await sign({ ...plan, revision: 'new' }), [key])).rejects.toMatchObject({
      code: 'PLAN_INVALID',
      message: expect.stringContaining('revision'),
    })
  })
})

describe('adopting a plan', () => {
  test('takes a newer revision, and the same one signed later', () => {
    checkAdoptable({ ...plan, revision: plan.revision + 1 }, 'digits', plan, before)
    checkAdoptable({ ...plan, issuedAt: '2026-11-24T12:00:00.000Z' }, 'digits', plan, before)
  })

  test('RT-16: refuses an older revision, and the same one signed earlier', () => {
    const older = { ...plan, revision: plan.revision - 1, issuedAt: '2026-11-24T12:00:00.000Z' }
    const earlier = { ...plan, issuedAt: '2026-11-24T09:00:00.000Z' }
    for (const next of [older, earlier]) {
      expect(() => checkAdoptable(next, 'digits', plan, before)).toThrow(
        expect.objectContaining({ code: 'PLAN_REVISION_OLD' }),
      )
    }
  })

  test('RT-15: refuses a plan from the moment at which it expires', () => {
    checkAdoptable(plan, 'digits', undefined, before)
    expect(() => checkAdoptable(plan, 'digits', undefined, before + 1)).toThrow(
      expect.objectContaining({ code: 'PLAN_EXPIRED' }),
    )
  })

  test('refuses the plan of another endpoint', () => {
    expect(() => checkAdoptable(plan, 'housing', undefined, before)).toThrow(
      expect.objectContaining({ code: 'PLAN_INVALID' }),
    )
  })
})
