/** What every Store promises of telemetry; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { now, type OpenStore, report } from './fixture.ts'

export function telemetryContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: telemetry`, () => {
    test('folds a group as it folds its reports one by one', async () => {
      const reports = [report('a', 1, 3), report('b', 2, 5), report('a', 2, 4), report('b', 1, 9), report('a', 2, 4)]
      const results: unknown[] = []
      for (const groups of [[reports], reports.map((each) => [each])]) {
        await using opened = await open()
        await opened.store.endpoints.create('e', now)
        const counted: (boolean | undefined)[] = []
        for (const group of groups) counted.push(...(await opened.store.telemetry.fold(group)))
        results.push([
          counted,
          await opened.store.telemetry.sums('e', ''),
          await opened.store.telemetry.hosts('e', '', 9),
        ])
      }
      expect(results[0]).toEqual(results[1])
      expect(results[0]).toMatchObject([
        [true, true, true, false, false],
        [{ rows: 9, senders: 2 }],
        [{ rows: 4 }, { rows: 5 }],
      ])
    })

    test('writes an exposure once a day and an outcome once a minute, the earliest, in any order', async () => {
      const unit = 'u'.repeat(22)
      const exposed = (at: string) => ({ ...report('a', 1, 0), exposures: [{ unit, deployment: 'blue', at }] })
      const told = (at: string, accepted: boolean) => ({
        ...report('a', 1, 0),
        outcomes: [{ unit, at, values: { accepted } }],
      })
      await using opened = await open()
      const { endpoints, telemetry } = opened.store
      await endpoints.create('e', now)
      await telemetry.fold([exposed('2026-11-24T09:00:00.000Z'), exposed('2026-11-24T08:00:00.000Z')])
      await telemetry.fold([exposed('2026-11-25T09:00:00.000Z')])
      await telemetry.fold([told('2026-11-24T09:00:30.000Z', true), told('2026-11-24T09:00:10.000Z', false)])
      await telemetry.fold([told('2026-11-24T09:01:00.000Z', true)])
      expect(await telemetry.counted('e')).toEqual({ exposures: 2, outcomes: 2 })
    })
  })
}
