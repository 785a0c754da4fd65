/** What hosts have of a rollout: who is moved by it, and what they serve when the registry was away meanwhile. */
import { describe, expect, test, vi } from 'vitest'
import { listen } from '../../../registry/listener.ts'
import { assign } from '../../../runtime/assignment/assignment.ts'
import { type Plan, plan as planSchema } from '../../../runtime/contract/plan.ts'
import { followPlan } from '../../../runtime/plan/follower.ts'
import { sendJson } from '../fixture.ts'
import { began, begin, openClocked, patch, planOf, read, until } from './fixture.ts'

const units = Array.from({ length: 50_000 }, (_, i) => (i % 3 === 0 ? `użytkownik-${i}-日本-🧵` : `user-${i}`))

function armsOf(plan: Plan): (string | undefined)[] {
  return units.map((unit) => assign(plan, { unit }).deployment)
}

describe('F-18 units of a rollout', () => {
  test('move to the new version alone, as many as the step says, and each comes back to where it was', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    await sendJson(
      fixture,
      'PUT',
      '/api/v1/endpoints/e/traffic',
      { split: { blue: 97, green: 3 } },
      { 'if-match': '*' },
    )
    const plan = async () => armsOf(planSchema.parse(await planOf(fixture)))
    const before = await plan()
    await begin(fixture, { steps: [50, 60, 100], hold: '1s' })
    const half = await plan()
    clock.now += 1000
    await until(fixture, ({ step }) => step === 1)
    await patch(fixture, { state: 'paused' })
    const more = await plan()
    const moved = more.filter((arm, i) => arm !== half[i]).length / units.length
    expect(moved).toBeGreaterThan(0.095)
    expect(moved).toBeLessThan(0.105)
    for (const [i, arm] of more.entries()) {
      if (arm !== half[i]) expect([half[i], arm]).toEqual(['blue', 'green'])
      if (before[i] === 'green') expect([half[i], arm]).toEqual(['green', 'green'])
    }
    await fixture.restart()
    expect(await plan()).toEqual(more)
    await patch(fixture, { state: 'aborted' })
    expect(await plan()).toEqual(before)
  })
})

describe('F-15, F-16 a host that the registry is away from', () => {
  test('serves the split that it has, and after a day and two more rollouts the newest at once', {
    timeout: 60_000,
  }, async () => {
    const clock = { now: Date.now() }
    await using fixture = await openClocked(clock)
    await begin(fixture, { hold: '1h' })
    let listener = await listen(fixture.registry, '127.0.0.1', 0)
    const port = Number(new URL(listener.url).port)
    const adopted: Plan[] = []
    const failures: string[] = []
    const host = followPlan({
      registry: listener.url,
      endpoint: 'e',
      keys: [fixture.registry.key],
      adopt: async (plan) => void adopted.push(plan),
      failed: ({ code }) => failures.push(code),
    })
    try {
      await host.ready
      const [first] = adopted
      if (first === undefined) throw new Error('ready without a plan')
      const arms = armsOf(first)
      fixture.registry.drain()
      await listener.close(0)
      await vi.waitFor(() => expect(failures).toContain('REGISTRY_UNREACHABLE'), 10_000)
      const contactAt = host.contactAt
      clock.now += 12 * 3600_000
      await patch(fixture, { state: 'aborted' })
      await begin(fixture, { steps: [25, 100], hold: '1h' })
      clock.now += 12 * 3600_000
      await sendJson(fixture, 'POST', '/api/v1/endpoints/e/rollback', {})
      await begin(fixture, { steps: [75, 100], hold: '1h', reshuffle: true })
      expect(host.plan && armsOf(host.plan)).toEqual(arms)
      expect(host.contactAt).toBe(contactAt)
      await fixture.restart()
      listener = await listen(fixture.registry, '127.0.0.1', port)
      await vi.waitFor(() => expect(adopted.length).toBe(2), 20_000)
      const newest = planSchema.parse(await planOf(fixture))
      expect(adopted[1]).toMatchObject({ revision: newest.revision, ranges: newest.ranges, salt: newest.salt })
      expect(newest.ranges.at(-1)).toEqual(['green', 250_000, 1_000_000])
    } finally {
      host.close()
      await listener.close(0)
    }
  })
})

describe('F-17 a clock that steps', () => {
  test('back by an hour makes a step last longer, forward no longer than its hold; revisions and order never fall', async () => {
    const clock = { now: began }
    await using fixture = await openClocked(clock)
    const { history } = await begin(fixture, { hold: '1m' })
    clock.now -= 3600_000
    await until(fixture, ({ now }) => now?.waits[0] === '3660 s of its 1m')
    clock.now += 3600_000 + 60_000
    await until(fixture, ({ step }) => step === 1)
    clock.now -= 3600_000
    expect((await patch(fixture, { state: 'aborted' })).status).toBe(200)
    const { history: whole } = await read(fixture)
    expect(whole.map(({ action }) => action)).toEqual(['started', 'advanced', 'aborted'])
    const revisions = [history[0]?.revision ?? 0, ...whole.slice(1).map(({ revision }) => revision)]
    expect(revisions.toSorted((a, b) => a - b)).toEqual(revisions)
    expect(new Set(revisions).size).toBe(3)
    expect((await planOf(fixture)).revision).toBe(revisions[2])
  })
})
