/** What every Store promises of rollouts; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import type { NewRollout, OutcomePlace, RolloutChange } from '../../../registry/store/rollouts.ts'
import type { CheckedReport, Store } from '../../../registry/store/store.ts'
import { type Guard, rolloutBody } from '../../../runtime/contract/rollout.ts'
import { day, now, type OpenStore } from './fixture.ts'

export function rolloutsContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: rollouts`, () => {
    test('begin and end with their endpoint in one step, and are there after a restart', async () => {
      await using opened = await open()
      const begun = await begin(opened.store)
      expect(begun).toMatchObject({
        id: '1',
        endpoint: 'e',
        state: 'running',
        step: 0,
        changes: 0,
        before: { salt: 'e:1' },
      })
      expect(await opened.store.endpoints.endpoint('e')).toMatchObject({
        revision: begun.revision,
        ranges: half,
        rollout: { id: '1', deployments: ['blue', 'green'] },
      })
      const store = await opened.reopen()
      expect(await store.rollouts.underWay()).toEqual([begun])
      const over = await store.rollouts.change('1', 0, now + 5, (held) => ({
        ...change('reverted'),
        split: held.before,
      }))
      expect(over).toMatchObject({ state: 'reverted', changes: 1 })
      const after = await store.endpoints.endpoint('e')
      expect(after).toMatchObject({ ranges: whole, salt: 'e:1' })
      expect(after?.rollout).toBeUndefined()
      expect(await store.rollouts.underWay()).toEqual([])
      expect((await store.rollouts.history('1')).map(({ action, revision }) => [action, revision])).toEqual([
        ['started', begun.revision],
        ['reverted', after?.revision],
      ])
      const events = await store.events.events({ after: 0, type: 'rollout.reverted', limit: 9 })
      expect(events).toMatchObject([{ about: { endpoint: 'e' }, subject: '1' }])
    })

    test('are changed by the first of those who saw the same', async () => {
      await using opened = await open()
      await begin(opened.store)
      const tries = Array.from({ length: 5 }, () =>
        opened.store.rollouts.change('1', 0, now + 1, () => change('paused')),
      )
      expect((await Promise.all(tries)).filter((each) => each !== undefined)).toHaveLength(1)
      expect(await opened.store.rollouts.history('1')).toHaveLength(2)
    })

    test('leave nothing behind where a rule refuses', async () => {
      await using opened = await open()
      const { rollouts, endpoints } = opened.store
      await begin(opened.store)
      const before = await endpoints.endpoint('e')
      const refuse = () => {
        throw new Error('no')
      }
      await expect(rollouts.change('1', 0, now + 1, refuse)).rejects.toThrow('no')
      await expect(rollouts.start('e', now + 1, refuse)).rejects.toThrow('no')
      await expect(rollouts.back('e', now + 1, refuse)).rejects.toThrow('no')
      expect(await endpoints.endpoint('e')).toEqual(before)
      expect((await rollouts.rollout('e', '1'))?.changes).toBe(0)
      expect(await rollouts.rollouts('e', { limit: 9 })).toHaveLength(1)
      await expect(rollouts.start('e', now + 1, () => fresh)).rejects.toThrow()
    })

    test('know the splits that were in force, whose they were and which came back', async () => {
      await using opened = await open()
      await begin(opened.store)
      await opened.store.rollouts.change('1', 0, now + 5, (held) => ({ ...change('aborted'), split: held.before }))
      let told: unknown
      await opened.store.rollouts.back('e', now + 6, (_, past) => {
        told = past.map(({ ranges, rollout }) => [ranges, rollout])
        return { split: { scheme: 'murmur3-ppm-1', salt: 'e:1', ranges: half }, restores: past[1]?.id }
      })
      expect(told).toEqual([
        [whole, '1'],
        [half, '1'],
        [whole, undefined],
      ])
      let restores: unknown
      await opened.store.rollouts.back('e', now + 7, (state, past) => {
        restores = past[0]?.restores === past[2]?.id
        return { split: state }
      })
      expect(restores).toBe(true)
    })

    test('give what hosts counted page by page, of their plan and since the moment', async () => {
      await using opened = await open()
      await begin(opened.store)
      const { telemetry, rollouts } = opened.store
      await telemetry.fold([
        report('a', day, now),
        report('b', day, now),
        report('b', '2026-11-24T10:01:00.000Z', now),
        report('c', day, now - 1),
        report('d', '2026-11-24T09:59:00.000Z', now),
      ])
      const page = { since: day, revision: now, limit: 1 }
      const found: [string, string][] = []
      for (let after: Awaited<ReturnType<typeof rollouts.counted>>[number] | undefined; ; ) {
        const [row] = await rollouts.counted('e', { ...page, after })
        if (row === undefined) break
        expect(row).toMatchObject({ deployment: 'blue', version: 1, device: 'desktop', errors: { RUN_FAILED: 2 } })
        found.push([row.sender.slice(0, 1), row.window])
        after = row
      }
      expect(found).toEqual([
        ['a', day],
        ['b', day],
        ['b', '2026-11-24T10:01:00.000Z'],
      ])
    })

    test('tell new units from those who were there, and what was told of them', async () => {
      await using opened = await open()
      const { revision } = await begin(opened.store)
      const { telemetry, rollouts } = opened.store
      const seen = (unit: string, deployment: string, at: string, by = revision) => ({
        unit: unit.repeat(22),
        deployment,
        at,
        revision: by,
      })
      const exposures = [
        seen('a', 'blue', '2026-11-24T09:00:00.000Z', revision - 1),
        seen('a', 'green', '2026-11-24T10:01:00.000Z'),
        seen('b', 'blue', '2026-11-24T10:01:00.000Z'),
        seen('b', 'green', '2026-11-24T10:02:00.000Z'),
        seen('c', 'green', '2026-11-24T10:01:00.000Z'),
        // Of a host that holds the plan from before the step: it neither counts for it nor is new to it.
        seen('f', 'blue', '2026-11-24T10:03:00.000Z', revision - 1),
        seen('f', 'green', '2026-11-24T10:04:00.000Z'),
        seen('g', 'green', '2026-11-24T10:05:02.000Z'),
      ]
      const outcome = (unit: string, at: string, values: Record<string, boolean | number | string>) => ({
        unit: unit.repeat(22),
        at,
        values,
      })
      const outcomes = [
        outcome('a', '2026-11-24T10:00:30.000Z', { ok: true }),
        outcome('a', '2026-11-24T10:03:00.000Z', { ok: false }),
        outcome('c', '2026-11-24T10:03:00.000Z', { ok: 2, other: true }),
        outcome('c', '2026-11-24T10:04:00.000Z', { ok: 'yes' }),
        // In one minute, and each at its own moment.
        outcome('g', '2026-11-24T10:05:01.000Z', { seen: true }),
        outcome('g', '2026-11-24T10:05:03.000Z', { ok: true }),
        outcome('d', '2026-11-24T10:03:00.000Z', { ok: true }),
        outcome('b', '2026-11-24T09:59:00.000Z', { ok: true }),
      ]
      await telemetry.fold([{ ...report('s', day, now), exposures, outcomes }])
      expect(await rollouts.exposed('e', { since: day, revision })).toEqual({ blue: 1, green: 5 })
      expect(await rollouts.exposed('e', { since: day, revision: 0 })).toEqual({ blue: 2, green: 5 })
      const came = await rollouts.units('e', { since: day, revision })
      expect(came.map(({ unit, deployment }) => [unit.slice(0, 1), deployment]).sort()).toEqual([
        ['a', 'green'],
        ['b', 'blue'],
        ['c', 'green'],
        ['f', 'green'],
        ['g', 'green'],
      ])
      // The first that was seen of each counts.
      expect(await rollouts.newUnits('e', { since: day, revision })).toEqual({ blue: 1, green: 2 })
      const told: [string, string, string, boolean | number][] = []
      for (let after: OutcomePlace | undefined; ; ) {
        const page = await rollouts.outcomes('e', { names: ['ok', 'seen'], since: day, after, limit: 2 })
        for (const { unit, at, name, value } of page.told) told.push([unit.slice(0, 1), at, name, value])
        after = page.next
        if (after === undefined) break
      }
      expect(told).toEqual([
        ['a', '2026-11-24T10:00:30.000Z', 'ok', true],
        ['a', '2026-11-24T10:03:00.000Z', 'ok', false],
        ['c', '2026-11-24T10:03:00.000Z', 'ok', 2],
        ['d', '2026-11-24T10:03:00.000Z', 'ok', true],
        ['g', '2026-11-24T10:05:03.000Z', 'ok', true],
        ['g', '2026-11-24T10:05:01.000Z', 'seen', true],
      ])
    })
  })
}

const whole: [string, number, number][] = [['blue', 0, 1_000_000]]
const half: [string, number, number][] = [
  ['blue', 0, 500_000],
  ['green', 500_000, 1_000_000],
]

const guards: Guard[] = [{ metric: 'error_rate', margin: 0.01 }]

const fresh: NewRollout = {
  body: rolloutBody.parse({ deployment: 'green', steps: [50, 100], guards }),
  advice: { steps: [], text: '' },
  split: { scheme: 'murmur3-ppm-1', salt: 'e:1', ranges: half },
  holds: ['blue', 'green'],
  entry: { at: day, action: 'started', percent: 50 },
}

async function begin(store: Store) {
  await store.endpoints.create('e', now)
  await store.endpoints.change('e', now, (state) => ({ ...state, ranges: whole }))
  return await store.rollouts.start('e', now, () => fresh)
}

function change(state: 'paused' | 'reverted' | 'aborted'): RolloutChange {
  const event = { type: 'rollout.reverted', at: day, about: { endpoint: 'e' }, subject: '1', data: {} } as const
  return { state, entry: { at: day, action: state, percent: 0 }, ...(state === 'reverted' && { event }) }
}

function report(sender: string, window: string, revision: number): CheckedReport {
  return {
    sender: sender.repeat(22),
    seq: 1,
    window,
    endpoint: 'e',
    revision,
    receivedAt: day,
    tier: 'trusted',
    exposures: [],
    outcomes: [],
    profiles: [
      {
        deployment: 'blue',
        version: 1,
        variant: 'fp32',
        provider: 'wasm',
        device: 'desktop',
        rows: 1,
        counts: {},
        outputs: {},
        latency: new Array(33).fill(0),
        errors: { RUN_FAILED: 2 },
      },
    ],
  }
}
