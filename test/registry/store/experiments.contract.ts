/** What every Store promises of experiments; each implementation runs it. */
import { describe, expect, test } from 'vitest'
import { now, type OpenStore, report } from './fixture.ts'

export function experimentsContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`${name}: experiments`, () => {
    test('have their units page by page, each with the split that dealt it and what was told before a moment', async () => {
      await using opened = await open()
      const { endpoints, telemetry, experiments } = opened.store
      const { state: made } = await endpoints.create('e', now)
      const ranges: [string, number, number][] = [
        ['blue', 0, 500_000],
        ['green', 500_000, 1_000_000],
      ]
      const later = await endpoints.change('e', now + 10, (state) => ({ ...state, ranges }))
      const again = await endpoints.change('e', now + 20, (state) => ({ ...state }))
      const at = (ms: number) => new Date(now + ms).toISOString()
      const unit = (letter: string) => letter.repeat(22)
      const exposed = (letter: string, deployment: string, ms: number, revision: number) => ({
        unit: unit(letter),
        deployment,
        at: at(ms),
        revision,
      })
      const told = (letter: string, ms: number, values: Record<string, number | boolean | string>) => ({
        unit: unit(letter),
        at: at(ms),
        values,
      })
      await telemetry.fold([
        {
          ...report('s', 1, 0),
          revision: again.revision,
          exposures: [
            exposed('b', 'green', 30, again.revision),
            exposed('a', 'blue', 5, made.revision),
            // Of the same day and deployment, by another split.
            exposed('a', 'blue', 12, later.revision),
            exposed('c', 'green', 40_000, again.revision),
          ],
          outcomes: [
            told('a', 1, { seen: true }),
            told('a', 13, { sold: true, price: 2.5, why: 'cheap' }),
            told('a', 70_000, { sold: false }),
            told('d', 1, { sold: true }),
          ],
        },
      ])
      const page = { outcomes: ['sold', 'price'], to: at(60_000), limit: 2 }
      const first = await experiments.units('e', { ...page, after: '' })
      expect(first).toEqual([
        {
          unit: unit('a'),
          exposures: [
            // From before any split.
            { at: at(5), deployment: 'blue', revision: 0 },
            { at: at(12), deployment: 'blue', revision: later.revision },
          ],
          outcomes: [
            { at: at(13), name: 'price', value: 2.5 },
            { at: at(13), name: 'sold', value: true },
          ],
        },
        // The plan's revision rose once more, and the split stayed.
        {
          unit: unit('b'),
          exposures: [{ at: at(30), deployment: 'green', revision: later.revision }],
          outcomes: [],
        },
      ])
      const rest = await experiments.units('e', { ...page, after: unit('b') })
      expect(rest.map((each) => each.unit)).toEqual([unit('c')])
      expect(await experiments.units('e', { ...page, after: unit('c') })).toEqual([])
      expect(await experiments.outcomes('e')).toEqual(['sold', 'price', 'seen'])
      expect(await experiments.splits('e', at(100))).toMatchObject([
        { revision: later.revision, from: at(10), to: at(100), ranges },
      ])
    })

    test('are of the names that most units tell, whatever one unit tells', async () => {
      await using opened = await open()
      const { endpoints, telemetry, experiments } = opened.store
      await endpoints.create('e', now)
      const told = (unit: string, minute: number, values: Record<string, boolean>) => ({
        unit: unit.repeat(22),
        at: new Date(now + minute * 60_000).toISOString(),
        values,
      })
      const flood = Array.from({ length: 90 }, (_, minute) =>
        told('x', minute, Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`a${minute}-${i}`, true]))),
      )
      await telemetry.fold([
        { ...report('s', 1, 0), outcomes: [told('a', 0, { sold: true }), told('b', 0, { sold: true }), ...flood] },
      ])
      const names = await experiments.outcomes('e')
      expect([names[0], names.length]).toEqual(['sold', 50])
    })
  })
}
