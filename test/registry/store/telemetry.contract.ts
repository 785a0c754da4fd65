/** What every Store promises of telemetry; each implementation runs it. */
import fc from 'fast-check'
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
        for (const group of groups) {
          for (const folded of await opened.store.telemetry.fold(group)) counted.push(folded?.counted)
        }
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

    test('keeps of a minute the earliest outcome of each name, however often and in whatever order they are told', async () => {
      await using opened = await open()
      const { endpoints, telemetry, experiments } = opened.store
      await endpoints.create('e', now)
      let units = 0
      const outcome = fc.record({
        at: fc.integer({ min: 0, max: 4 }).map((second) => `2026-11-24T09:00:0${second}.000Z`),
        values: fc.dictionary(fc.constantFrom('bought', 'seen', 'rated'), fc.integer({ min: 0, max: 3 }), {
          minKeys: 1,
        }),
      })
      const told = fc
        .array(outcome, { minLength: 1, maxLength: 8 })
        .chain((events) =>
          fc.tuple(fc.constant(events), fc.shuffledSubarray([...events, ...events], { minLength: events.length * 2 })),
        )
      const keptOf = async (unit: string, events: readonly { at: string; values: Record<string, number> }[]) => {
        const exposures = [{ unit, deployment: 'blue', at: '2026-11-24T08:00:00.000Z' }]
        await telemetry.fold(
          events.map(({ at, values }) => ({ ...report('a', 1, 0), exposures, outcomes: [{ unit, at, values }] })),
        )
        const page = { outcomes: ['bought', 'seen', 'rated'], to: '2026-11-25T00:00:00.000Z', after: '', limit: 10_000 }
        return (await experiments.units('e', page)).find((each) => each.unit === unit)?.outcomes
      }
      const property = fc.asyncProperty(told, async ([events, again]) => {
        const number = String(++units).padStart(20, '0')
        const kept = await keptOf(`a ${number}`, events)
        const named = (name: string) => events.flatMap(({ at, values }) => (name in values ? [[at, values[name]]] : []))
        const all = ['bought', 'rated', 'seen'].flatMap((name) => {
          const [earliest] = named(name).toSorted()
          return earliest === undefined ? [] : [{ at: String(earliest[0]), name, value: earliest[1] }]
        })
        const wanted = all.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
        expect(kept).toEqual(wanted)
        expect(await keptOf(`b ${number}`, again)).toEqual(wanted)
      })
      await fc.assert(property, { numRuns: 100, seed: 7 })
    })

    test('TE-09: keeps of a minute 32 names of outcomes at most, the earliest', async () => {
      await using opened = await open()
      const { endpoints, telemetry, experiments } = opened.store
      await endpoints.create('e', now)
      const unit = 'u'.repeat(22)
      const names = Array.from({ length: 40 }, (_, i) => `n${String(i).padStart(2, '0')}`)
      const outcomes = names.map((name, i) => ({
        unit,
        at: `2026-11-24T09:00:${String(50 - i).padStart(2, '0')}.000Z`,
        values: { [name]: i },
      }))
      const exposures = [{ unit, deployment: 'blue', at: '2026-11-24T08:00:00.000Z' }]
      await telemetry.fold([{ ...report('a', 1, 0), exposures, outcomes }])
      const page = { outcomes: names, to: '2026-11-25T00:00:00.000Z', after: '', limit: 10 }
      const [found] = await experiments.units('e', page)
      expect(found?.outcomes.map(({ name }) => name).toSorted()).toEqual(names.slice(8))
    })

    describe('TE-09: a unit with outcomes in more than a hundred minutes of a day', () => {
      const day = Date.parse('2026-11-24T00:00:00Z')
      const outcome = (unit: string, minute: number) => ({
        unit,
        at: new Date(day + minute * 60_000).toISOString(),
        values: { accepted: true },
      })
      /** Outcomes of the busy unit in minutes of the day, beside those of others. */
      const told = (minutes: readonly number[], more: readonly ReturnType<typeof outcome>[] = []) => ({
        ...report('a', 1, 0),
        exposures: [{ unit: 'busy', deployment: 'blue', at: new Date(day).toISOString() }],
        outcomes: [...minutes.map((minute) => outcome('busy', minute)), ...more],
      })
      const all = { names: ['accepted'], since: '', limit: 1000 }
      const minutes = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

      test('is left out with what it tells from then on, and no other is', async () => {
        await using opened = await open()
        const { endpoints, telemetry, rollouts } = opened.store
        await endpoints.create('e', now)
        await endpoints.create('f', now)
        const others = minutes(0, 100).map((minute) => outcome('calm', minute))
        await telemetry.fold([
          { ...told([], others), exposures: [{ unit: 'calm', deployment: 'blue', at: others[0]?.at ?? '' }] },
        ])
        const heard = async () => (await rollouts.outcomes('e', all)).told.filter(({ unit }) => unit === 'busy').length
        expect(await telemetry.fold([told(minutes(0, 100))])).toMatchObject([{ busy: 0 }])
        // Told again, and on another day: not one more minute of this one.
        expect(await telemetry.fold([told([...minutes(0, 100), 1440, 1441])])).toMatchObject([{ busy: 0 }])
        expect(await heard()).toBe(102)
        expect(await telemetry.fold([told([100]), told([1442])])).toMatchObject([{ busy: 0 }, { busy: 2 }])
        expect(await heard()).toBe(0)
        expect((await rollouts.outcomes('e', all)).told).toHaveLength(100)
        const since = { since: '', revision: 0 }
        expect(await rollouts.exposed('e', since)).toEqual({ blue: 1 })
        expect(await rollouts.newUnits('e', since)).toEqual({ blue: 1 })
        expect((await rollouts.units('e', since)).map(({ unit }) => unit)).toEqual(['calm'])
        expect(await telemetry.fold([{ ...told([3]), endpoint: 'f' }])).toMatchObject([{ busy: 0 }])
      })

      test('is left out in whatever order its outcomes come', async () => {
        for (const order of [minutes(0, 130), minutes(0, 130).reverse()]) {
          await using opened = await open()
          await opened.store.endpoints.create('e', now)
          for (let i = 0; i < order.length; i += 13) await opened.store.telemetry.fold([told(order.slice(i, i + 13))])
          expect(await opened.store.rollouts.outcomes('e', all)).toEqual({ told: [] })
        }
      })
    })
  })
}
