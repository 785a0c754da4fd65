import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldDays } from '../../../registry/telemetry/fold.ts'
import { began, day, hour, openFolding, reportOf, type Told } from './folding.ts'

const last = began + 4 * day + 5 * hour

/** Reports of the first four days and a bit: several of each sender and window, of which the one with the highest seq stands. */
const told: fc.Arbitrary<Told> = fc.record({
  sender: fc.constantFrom('a', 'b', 'c', 'd'),
  seq: fc.integer({ min: 1, max: 3 }),
  window: fc.nat({ max: 4 * 24 * 4 }).map((quarter) => began + (quarter * hour) / 4),
  cells: fc.tuple(fc.oneof(fc.nat(50), fc.nat(1_000_000_000)), fc.nat(50)),
  provider: fc.constantFrom('wasm', 'webgpu'),
})
const messages = fc.uniqueArray(told, {
  selector: ({ sender, seq, window }) => `${sender} ${seq} ${window}`,
  minLength: 1,
  maxLength: 60,
})

describe('a day that is folded', () => {
  test('says the same to the last bit as all its reports, in any order, repeated, lost, late', async () => {
    await fc.assert(
      fc.asyncProperty(
        messages.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all]))),
        fc.integer({ min: 0, max: 4 }),
        async ([all, sent], days) => {
          // What is never sent is lost for both.
          const arrived = all.filter((each) => sent.includes(each))
          await using folded = await openFolding()
          await using whole = await openFolding()
          // Read in between, so that what is remembered of settled windows is put to the test; then comes what is late.
          for (let at = 0; at < sent.length; at += 10) {
            await folded.store.telemetry.fold(sent.slice(at, at + 10).map(reportOf))
            if (at % 20 === 0) await folded.report(last)
            if (at === 20) await foldDays(folded.store, began + days * day + 2 * hour)
          }
          await whole.store.telemetry.fold(arrived.map(reportOf))
          const want = await whole.report(last)
          expect(await folded.report(last)).toEqual(want)
          await foldDays(folded.store, last)
          expect(await folded.report(last)).toEqual(want)
          // A window of a day is read from days, and says as much.
          const daily = { window: '1d', block: '1d' }
          expect(await folded.report(last, daily)).toEqual(await whole.report(last, daily))
        },
      ),
      { numRuns: 40 },
    )
  }, 120_000)

  test('of ten thousand reports, shuffled and 5 % of them twice, is that of one pass', async () => {
    const all: Told[] = Array.from({ length: 10_000 }, (_, i) => ({
      sender: `s${i % 500}`,
      seq: 1 + (i % 7),
      window: began + (i % 97) * hour,
      cells: [(i * 31) % 17, (i * 7) % 13],
    }))
    const twice = [...all, ...all.filter((_, i) => i % 20 === 0)]
    const shuffled = twice
      .map((each, i) => ({ each, key: (i * 7_368_787) % 10_007 }))
      .toSorted((a, b) => a.key - b.key)
      .map(({ each }) => each)
    await using once = await openFolding()
    await once.store.telemetry.fold(all.map(reportOf))
    await using other = await openFolding()
    for (let at = 0; at < shuffled.length; at += 500) {
      await other.store.telemetry.fold(shuffled.slice(at, at + 500).map(reportOf))
      if (at === 5000) await foldDays(other.store, last)
    }
    await foldDays(other.store, last)
    expect(await other.report(last)).toEqual(await once.report(last))
    expect((await once.report(last)).rows).toBeGreaterThan(50_000)
  }, 60_000)

  test('reaches back to the beginning of a monitor once its reports are gone, and takes none of that day any more', async () => {
    await using folding = await openFolding()
    const days = Array.from({ length: 20 }, (_, i) => began + i * day + 6 * hour)
    for (const window of days) {
      await folding.store.telemetry.fold(
        ['a', 'b'].map((sender) => reportOf({ sender, seq: 1, window, cells: [5, 5] })),
      )
    }
    const now = began + 20 * day
    await foldDays(folding.store, now)
    const before = await folding.report(now)
    await folding.store.telemetry.drop(new Date(now - 8 * day).toISOString())
    expect(await folding.store.telemetry.sums('e', '')).toMatchObject([{ rows: 160 }])
    expect(await folding.report(now)).toEqual(before)
    expect(before).toMatchObject({ rows: 400, senders: 40, from: new Date(began).toISOString(), windows: 480 })
    expect(before.features[0]?.block).toMatchObject({ rule: 'start' })
    const late = (window: number) => reportOf({ sender: 'c', seq: 1, window, cells: [1, 1] })
    expect(await folding.store.telemetry.fold([late(began + 6 * hour), late(now - day)])).toEqual([
      undefined,
      { counted: true, busy: 0 },
    ])
    expect((await folding.report(now)).rows).toBe(402)
  })

  test('tells a moment of it as it was told then', async () => {
    await using folding = await openFolding()
    const windows = [0, 7, 13, 20].map((hours) => began + hours * hour)
    const reports = windows.map((window) => reportOf({ sender: 'a', seq: 1, window, cells: [4, 3] }))
    await folding.store.telemetry.fold(reports)
    const moment = began + 14 * hour
    const then = await folding.report(moment)
    await foldDays(folding.store, began + 2 * day)
    expect(await folding.report(moment)).toEqual(then)
    expect(then.rows).toBe(21)
  })

  test('is not dropped before it is folded', async () => {
    await using folding = await openFolding()
    await folding.store.telemetry.fold([reportOf({ sender: 'a', seq: 1, window: began, cells: [1, 1] })])
    await folding.store.telemetry.drop(new Date(began + 30 * day).toISOString())
    expect(await folding.store.telemetry.sums('e', '')).toMatchObject([{ rows: 2 }])
  })

  test('keeps its sources apart where there are several', async () => {
    await using folding = await openFolding()
    const { store } = folding
    await store.telemetry.fold(
      (['wasm', 'webgpu'] as const).map((provider, i) =>
        reportOf({ sender: provider, seq: 1, window: began + i * hour, cells: [1 + i, 0], provider }),
      ),
    )
    await foldDays(store, began + 2 * day)
    const [known] = await store.days.counted('e', '2026-11-20')
    const read = async (provider: string) => {
      const source = { variant: 'fp32', provider, device: 'desktop' }
      const asked = { side: 'counts', feature: 'b', by: 'hours', days: ['2026-11-20'], source } as const
      return known && (await store.days.spans('e', known, asked)).map(({ at, cells }) => [at, cells[0]])
    }
    expect([await read('wasm'), await read('webgpu')]).toEqual([[[began, 1]], [[began + hour, 2]]])
  })

  test('of more than 2,000 hours ago keeps only its sum', async () => {
    await using folding = await openFolding()
    await folding.store.telemetry.fold([reportOf({ sender: 'a', seq: 1, window: began, cells: [1, 1] })])
    const later = began + 90 * day
    await foldDays(folding.store, later)
    expect((await folding.report(later, { window: '1d', block: '1d' })).rows).toBe(2)
    expect(await folding.report(later)).toMatchObject({ rows: 0 })
  })
})
