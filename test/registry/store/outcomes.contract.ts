/** What every Store promises of outcomes; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { now, type OpenStore, report, spec } from './fixture.ts'

export function outcomesContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: outcomes`, () => {
    test('come in pages from the newest on, each with the last prediction before it', async () => {
      await using opened = await open()
      const { telemetry, outcomes, endpoints } = opened.store
      await endpoints.create('e', now)
      const minute = (place: number) => new Date(now + place * 60_000).toISOString()
      const exposure = (unit: string, place: number, cell: number, deployment = 'blue') => ({
        unit,
        deployment,
        at: minute(place),
        prediction: { version: 1, spec, cells: [cell] },
      })
      const outcome = (unit: string, place: number) => ({ unit, at: minute(place), values: { sold: place } })
      const told = {
        ...report('s', 1, 1),
        exposures: [
          exposure('ada', -1440, 1),
          exposure('ada', 0, 2),
          exposure('bob', 0, 3),
          // Answered by another deployment since, and after the outcome.
          exposure('bob', 2, 4, 'green'),
          exposure('cy', 9, 5),
        ],
        outcomes: [outcome('ada', -1), outcome('ada', 1), outcome('bob', 1), outcome('bob', 3), outcome('cy', 4)],
      }
      await telemetry.fold([told])
      const asked = {
        outcome: 'sold',
        deployment: 'blue',
        version: 1,
        spec,
        from: minute(-2000),
        to: minute(100),
        limit: 2,
      }
      const pages: unknown[] = []
      for (let before: { at: string; unit: string } | undefined; ; ) {
        const page = await outcomes.joined('e', { ...asked, before })
        pages.push(page.rows.map(({ unit, cells, values }) => [unit, cells, values.sold]))
        before = page.next
        if (before === undefined) break
      }
      expect(pages).toEqual([
        [],
        [
          ['bob', [3], 1],
          ['ada', [2], 1],
        ],
        [['ada', [1], -1]],
      ])
      expect((await outcomes.joined('e', { ...asked, version: 2 })).rows).toEqual([])
    })

    test('are joined by when their own value was told, whatever came before it in its minute', async () => {
      await using opened = await open()
      const { telemetry, outcomes, endpoints } = opened.store
      await endpoints.create('e', now)
      const second = (place: number) => new Date(now + place * 1000).toISOString()
      const told = {
        ...report('s', 1, 1),
        exposures: [{ unit: 'ada', deployment: 'blue', at: second(2), prediction: { version: 1, spec, cells: [1] } }],
        outcomes: [
          { unit: 'ada', at: second(1), values: { seen: true } },
          { unit: 'ada', at: second(3), values: { sold: true } },
        ],
      }
      await telemetry.fold([told])
      const asked = { deployment: 'blue', version: 1, spec, from: second(0), to: second(60), limit: 10 }
      const cellsOf = async (outcome: string) =>
        (await outcomes.joined('e', { ...asked, outcome })).rows.map(({ cells }) => cells)
      expect([await cellsOf('sold'), await cellsOf('seen')]).toEqual([[[1]], []])
    })

    test('are kept under any name, those of every object among them', async () => {
      await using opened = await open()
      const { telemetry, rollouts, endpoints } = opened.store
      await endpoints.create('e', now)
      const at = new Date(now).toISOString()
      const told = (values: Record<string, number>) => ({ unit: 'ada', at, values })
      const named = ['constructor', '__proto__', 'toString'].map((name) => Object.fromEntries([[name, 1]]))
      const exposures = [{ unit: 'ada', deployment: 'blue', at }]
      await telemetry.fold([
        { ...report('s', 1, 1), exposures, outcomes: named.flatMap((each) => [told(each), told({})]) },
      ])
      for (const name of ['constructor', '__proto__']) {
        const { told: found } = await rollouts.outcomes('e', { names: [name], since: at, limit: 9 })
        expect(found).toEqual([{ unit: 'ada', at, name, value: 1 }])
      }
    })

    test('TE-09 of busy units come in no page', async () => {
      await using opened = await open()
      const { telemetry, outcomes, endpoints } = opened.store
      await endpoints.create('e', now)
      const minute = (place: number) => new Date(now + place * 60_000).toISOString()
      const prediction = { version: 1, spec, cells: [1] }
      const told = {
        ...report('s', 1, 1),
        exposures: ['busy', 'calm'].map((unit) => ({ unit, deployment: 'blue', at: minute(0), prediction })),
        outcomes: Array.from({ length: 102 }, (_, i) => ({
          unit: i === 50 ? 'calm' : 'busy',
          at: minute(i + 1),
          values: { sold: i },
        })),
      }
      await telemetry.fold([told])
      const asked = {
        outcome: 'sold',
        deployment: 'blue',
        version: 1,
        spec,
        from: minute(0),
        to: minute(1000),
        limit: 10,
      }
      const { rows, next } = await outcomes.joined('e', asked)
      expect([rows.map(({ unit }) => unit), next]).toEqual([['calm'], undefined])
    })
  })
}
