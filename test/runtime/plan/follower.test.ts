import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { CompactSign, exportJWK, generateKeyPair } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Plan, plan as planSchema } from '../../../runtime/contract/plan.ts'
import type { SelvedgeError } from '../../../runtime/errors.ts'
import { type Follower, type FollowOptions, followPlan } from '../../../runtime/plan/follower.ts'
import { serve } from '../../fixtures/http.ts'

const golden: Plan = planSchema.parse(
  JSON.parse(readFileSync(new URL('../../contract/plan.json', import.meta.url), 'utf8')),
)
const day = 24 * 3600 * 1000

describe('following a plan', () => {
  let sign: (change: Partial<Plan>) => Promise<string>
  let key: string
  let server: Awaited<ReturnType<typeof serve>>
  let answer: (url: string, response: ServerResponse) => void
  let urls: string[]
  let adopted: Plan[]
  let failures: string[]
  let follower: Follower | undefined

  beforeAll(async () => {
    const { privateKey, publicKey } = await generateKeyPair('Ed25519')
    key = `ed25519:${(await exportJWK(publicKey)).x}`
    sign = (change) => {
      const expiresAt = new Date(Date.now() + day).toISOString()
      const text = JSON.stringify({ ...golden, expiresAt, ...change })
      return new CompactSign(new TextEncoder().encode(text)).setProtectedHeader({ alg: 'Ed25519' }).sign(privateKey)
    }
  })
  beforeEach(async () => {
    urls = []
    adopted = []
    failures = []
    server = await serve((request, response) => {
      urls.push(request.url ?? '')
      answer(request.url ?? '', response)
    })
  })
  afterEach(async () => {
    follower?.close()
    await server.close()
  })

  function follow(options: Partial<FollowOptions> = {}): Follower {
    follower = followPlan({
      registry: server.url,
      endpoint: 'digits',
      keys: [key],
      adopt: async (plan) => void adopted.push(plan),
      failed: (error: SelvedgeError) => failures.push(error.code),
      ...options,
    })
    return follower
  }

  const refuse = (response: ServerResponse, status: number, type: string) => {
    response.writeHead(status, { 'content-type': 'application/problem+json' })
    response.end(JSON.stringify({ type, title: '', status, detail: 'refused' }))
  }

  test('adopts the first plan, then waits behind its revision and adopts the next at once', async () => {
    const [first, second] = await Promise.all([sign({ revision: 5 }), sign({ revision: 6 })])
    answer = (url, response) => {
      if (!url.includes('after=')) response.end(first)
      else if (url.endsWith('after=5')) response.end(second)
    }
    await follow().ready
    await vi.waitFor(() => expect(adopted.map(({ revision }) => revision)).toEqual([5, 6]))
    await vi.waitFor(() => expect(urls.at(-1)).toBe('/api/v1/endpoints/digits/plan?wait=25&after=6'))
    expect(failures).toEqual([])
  })

  test('F-16: never goes back to an older revision', async () => {
    const [newer, older] = await Promise.all([sign({ revision: 9 }), sign({ revision: 8 })])
    answer = (url, response) => void response.end(url.includes('after=') ? older : newer)
    await follow().ready
    await vi.waitFor(() => expect(failures).toContain('PLAN_REVISION_OLD'))
    expect(adopted.map(({ revision }) => revision)).toEqual([9])
  })

  test('rejects ready with the registry’s own code and follows on', async () => {
    answer = (_, response) => refuse(response, 404, 'ENDPOINT_UNKNOWN')
    await expect(follow().ready).rejects.toMatchObject({ code: 'ENDPOINT_UNKNOWN' })
    const plan = await sign({})
    answer = (_, response) => void response.end(plan)
    await vi.waitFor(() => expect(adopted).toHaveLength(1), 5000)
  })

  test('a plan that cannot be loaded leaves the one before in force and is tried again', async () => {
    const [first, second] = await Promise.all([sign({ revision: 1 }), sign({ revision: 2 })])
    answer = (url, response) => void response.end(url.includes('after=') ? second : first)
    let tries = 0
    const adopt = async (plan: Plan) => {
      if (plan.revision === 2 && ++tries === 1) throw new Error('broken download')
      adopted.push(plan)
    }
    const following = follow({ adopt })
    await following.ready
    await vi.waitFor(() => expect(failures).toHaveLength(1), 5000)
    expect(following.plan?.revision).toBe(1)
    await vi.waitFor(() => expect(following.plan?.revision).toBe(2), 5000)
  })

  test('F-15: starts from the plan held, expired or not, while the registry is away', async () => {
    answer = (_, response) => void response.destroy()
    const held = await sign({ expiresAt: '2020-01-01T00:00:00.000Z' })
    await follow({ held }).ready
    expect(adopted).toHaveLength(1)
  })

  test('an expired plan that is held is replaced by the one that the registry signed anew at the same revision', async () => {
    const issuedAt = new Date().toISOString()
    const fresh = await sign({ issuedAt })
    const held = await sign({ issuedAt: '2020-01-01T00:00:00.000Z', expiresAt: '2020-01-02T00:00:00.000Z' })
    const heldTag = `"sha256:${createHash('sha256').update(held).digest('hex')}"`
    const asked: (string | undefined)[] = []
    // As the registry does: it waits only behind the text that the host holds.
    answer = (_, response) => {
      const tag = response.req.headers['if-none-match']
      asked.push(tag)
      if (tag === heldTag) response.end(fresh)
    }
    const following = follow({ held })
    await vi.waitFor(() => expect(following.plan?.issuedAt).toBe(issuedAt), 5000)
    expect(asked[0]).toBe(heldTag)
  })

  test('a held plan of another endpoint is not served', async () => {
    answer = (_, response) => refuse(response, 503, 'NOT_READY')
    await expect(follow({ held: await sign({ endpoint: 'other' }) }).ready).rejects.toMatchObject({ code: 'NOT_READY' })
    expect([failures[0], adopted.length]).toEqual(['PLAN_INVALID', 0])
  })

  test('a held plan that another key signed is not served', async () => {
    answer = (_, response) => refuse(response, 503, 'NOT_READY')
    const [header, payload] = (await sign({})).split('.')
    const held = `${header}.${payload}.${'A'.repeat(86)}`
    await expect(follow({ held }).ready).rejects.toMatchObject({ code: 'NOT_READY' })
    expect(failures[0]).toBe('PLAN_SIGNATURE')
    expect(adopted).toEqual([])
  })
})
