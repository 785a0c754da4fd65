/** What every Store promises of looks; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { day, now, type OpenStore } from './fixture.ts'

export function looksContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: looks`, () => {
    const looked = { endpoint: 'e', monitor: 'm', deployment: 'blue' }
    const look = (place: number) => ({
      ...looked,
      version: 1,
      at: new Date(now + place * 60_000).toISOString(),
      verdict: 'drift',
      summary: { place },
      report: { place },
    })
    const state = { ...looked, version: 1, part: 'features/a', state: 'alarm' as const, since: day }
    const nothing = () => ({ states: [], events: [] })

    test('happen once at a moment, with the states and events that follow', async () => {
      await using opened = await open()
      const { looks, endpoints, events } = opened.store
      await endpoints.create('e', now)
      const data = { monitor: 'm' }
      const event = { type: 'drift.detected' as const, at: day, about: { endpoint: 'e' }, subject: 'm', data }
      const told: unknown[] = []
      const rule = (before: unknown) => {
        told.push(before)
        return { states: [state], events: [event] }
      }
      expect(await looks.record(look(1), rule)).toBe(true)
      expect(await looks.record(look(1), rule)).toBe(false)
      expect(await looks.record(look(0), rule)).toBe(false)
      expect(await looks.record(look(2), rule)).toBe(true)
      expect(told).toEqual([[], [state]])
      expect(await events.events({ after: 0, limit: 9 })).toEqual([
        { id: 1, ...event },
        { id: 2, ...event },
      ])
      const { report, ...past } = look(1)
      expect(await looks.last(looked, past.at)).toEqual(past)
      expect(await looks.report(looked, past.at)).toEqual(report)
      expect(await (await opened.reopen()).looks.states('e')).toEqual([state])
    })

    test('that fail leave nothing', async () => {
      await using opened = await open()
      const { looks, endpoints } = opened.store
      await endpoints.create('e', now)
      const failing = looks.record(look(1), () => {
        throw new Error('no rule')
      })
      await expect(failing).rejects.toThrow('no rule')
      expect(await looks.last(looked)).toBeUndefined()
    })

    test('are a thousand at most, a hundred of them with their reports', async () => {
      await using opened = await open()
      const { looks, endpoints } = opened.store
      await endpoints.create('e', now)
      for (let place = 0; place < 1005; place++) await looks.record(look(place), nothing)
      const kept = await looks.looks(looked, { limit: 2000 })
      expect([kept.length, kept[0]?.summary, kept.at(-1)?.summary]).toEqual([1000, { place: 1004 }, { place: 5 }])
      expect(await looks.report(looked, look(905).at)).toEqual({ place: 905 })
      expect(await looks.report(looked, look(904).at)).toBeUndefined()
    })

    test('belong to the endpoint as it is now', async () => {
      await using opened = await open()
      const { looks, endpoints } = opened.store
      await endpoints.create('e', now)
      await looks.record(look(1), () => ({ states: [state], events: [] }))
      await endpoints.remove('e', now, () => undefined)
      expect(await looks.record(look(2), nothing)).toBe(false)
      await endpoints.create('e', now)
      expect([await looks.last(looked), await looks.states('e')]).toEqual([undefined, []])
    })
  })
}
