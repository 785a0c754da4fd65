/** What every Store promises of events; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { day, type OpenStore } from './fixture.ts'

export function eventsContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: events`, () => {
    test('are read in order from any of them on, and their numbers rise for ever', async () => {
      await using opened = await open()
      const event = (at: string, endpoint: string) => ({
        type: 'drift.detected' as const,
        at,
        about: { endpoint },
        data: { at },
      })
      for (const endpoint of ['e', 'f', 'e']) await opened.store.events.append(event(day, endpoint))
      const { events } = opened.store
      expect((await events.events({ after: 0, limit: 2 })).map(({ id }) => id)).toEqual([1, 2])
      expect((await events.events({ after: 1, endpoint: 'e', limit: 9 })).map(({ id }) => id)).toEqual([3])
      await events.drop('2027-01-01T00:00:00.000Z')
      const reopened = (await opened.reopen()).events
      expect(await reopened.newest()).toBe(3)
      await reopened.append(event(day, 'e'))
      expect(await reopened.events({ after: 0, limit: 9 })).toEqual([{ id: 4, ...event(day, 'e') }])
    })
  })
}
