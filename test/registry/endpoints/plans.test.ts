import { existsSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OpenAPIHono } from '@hono/zod-openapi'
import { describe, expect, test, vi } from 'vitest'
import { openPlanKey } from '../../../registry/endpoints/key.ts'
import { planRoutes } from '../../../registry/endpoints/plan-routes.ts'
import { openPlans } from '../../../registry/endpoints/plans.ts'
import type { AppEnv, Services } from '../../../registry/http/env.ts'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import type { Store } from '../../../registry/store/store.ts'

async function openParts() {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-plans-'))
  const store = openSqliteStore(join(folder, 'registry.db'))
  const key = await openPlanKey(folder)
  await store.endpoints.create('e', 1)
  return {
    store,
    key,
    async [Symbol.asyncDispose]() {
      await store.close()
      await rm(folder, { recursive: true })
    },
  }
}

const options = { runtime: { ort: '0', files: {} }, telemetryIntervalMs: 60_000, lifeMs: 1e12, now: () => 2 }

describe('a long poll', () => {
  // Sooner than the poll would end by itself.
  test('misses no change that comes while its plan is being signed', { timeout: 15_000 }, async () => {
    await using parts = await openParts()
    const { store, key } = parts
    let changed = false
    const plans = openPlans({
      ...options,
      store,
      key: {
        ...key,
        async sign(payload) {
          const jws = await key.sign(payload)
          if (!changed) {
            changed = true
            await store.endpoints.change('e', 2, (state) => ({ ...state, shadow: { deployment: 'x', ppm: 1 } }))
            plans.changed('e')
          }
          return jws
        },
      },
    })
    const app = new OpenAPIHono<AppEnv>()
    planRoutes(app, { plans, key, baseOf: () => 'http://localhost/' } as unknown as Services)
    const before = await store.endpoints.endpoint('e')
    const answer = await app.request(`/api/v1/endpoints/e/plan?wait=25&after=${before?.revision}`)
    const [, payload = ''] = (await answer.text()).split('.')
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString()).shadow).toEqual({ deployment: 'x', ppm: 1 })
    plans.close()
  })
})

test('one failed look at what plans name fails one answer, not all until the next change', async () => {
  await using parts = await openParts()
  let failing = true
  const endpoints: Store['endpoints'] = {
    ...parts.store.endpoints,
    async endpoints(page) {
      if (failing) throw new Error('the disk is away')
      return await parts.store.endpoints.endpoints(page)
    },
  }
  const plans = openPlans({ ...options, store: { ...parts.store, endpoints }, key: parts.key })
  await expect(plans.names('m', 'd')).rejects.toThrow('the disk is away')
  failing = false
  expect(await plans.names('m', 'd')).toBe(false)
  plans.close()
})

test('the folder of a new plan key is synced after the key has its name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'selvedge-key-'))
  const handle = await open(folder)
  const prototype = Object.getPrototypeOf(handle)
  await handle.close()
  const synced: { isFolder: boolean; named: boolean }[] = []
  const sync = prototype.sync
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: typeof handle) {
    synced.push({ isFolder: (await this.stat()).isDirectory(), named: existsSync(join(folder, 'plan-key.json')) })
    await sync.call(this)
  })
  try {
    await openPlanKey(folder)
    expect(synced).toEqual([
      { isFolder: false, named: false },
      { isFolder: true, named: true },
    ])
  } finally {
    spy.mockRestore()
    await rm(folder, { recursive: true })
  }
})
