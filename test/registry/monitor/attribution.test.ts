import { describe, expect, test } from 'vitest'
import { attributionOf } from '../../../registry/monitor/attribution.ts'
import { pastBaseline } from '../../../registry/monitor/past.ts'
import { foldDays } from '../../../registry/telemetry/fold.ts'
import { type Attribution, attribution } from '../../../runtime/contract/attribution.ts'
import { digestOf, sendJson } from '../fixture.ts'
import { began, day, type Folding, hour, openFolding, reportOf, spec } from '../telemetry/folding.ts'
import { at, draw, openMonitored, post, quick, reportsOf } from './fixture.ts'

type Row = ReturnType<typeof draw>[number]

const path = '/api/v1/endpoints/e'

/** Sixteen minutes of pages: every other one on WebGPU. */
async function attribute(
  change: (row: Row, provider: 'webgpu' | 'wasm', minute: number) => Row,
  monitor: object = quick,
): Promise<Attribution> {
  const clock = { now: at }
  await using fixture = await openMonitored(clock)
  await sendJson(fixture, 'PUT', `${path}/monitors/mine`, monitor)
  clock.now = at + 16 * 60_000
  const providerOf = (sender: number) => (sender % 2 === 0 ? ('webgpu' as const) : ('wasm' as const))
  const rows = draw(8000, 2).map((row, i) => change(row, providerOf(Math.floor(i / 5)), Math.floor(i / 500)))
  const reports = reportsOf(fixture.spec, rows).map((report) => ({
    ...report,
    profiles: report.profiles.map((profile) => ({ ...profile, provider: providerOf(Number(report.sender)) })),
  }))
  await post(fixture, reports)
  const answer = await fixture.request(`${path}/attribution?monitor=mine`)
  expect(answer.status).toBe(200)
  return attribution.parse(await answer.json())
}

const moved = (row: Row, by: number): Row => {
  const features = { ...row.features, a: row.features.a + by }
  return { features, outputs: { value: features.a + 2 * features.b } }
}

describe('a drift', () => {
  test('of one provider whose kernel is wrong is told apart from a drift of the inputs', async () => {
    // The kernel leaves out what it should add up last, and adds a bit.
    const wrong = ({ features }: Row): Row => ({ features, outputs: { value: features.a + features.b + 0.9 } })
    const found = await attribute((row, provider) => (provider === 'webgpu' ? wrong(row) : row))
    expect(found.causes).toEqual(['provider'])
    expect(
      found.providers.map(({ provider, inputs, outputs, isCause }) => [provider, inputs, outputs, isCause]),
    ).toEqual([
      ['wasm', 'alike', 'differ', false],
      ['webgpu', 'alike', 'differ', true],
    ])
  })

  test('of quality, too: a kernel that gives no numbers for a part of the rows is one of its provider', async () => {
    const broken = ({ features }: Row): Row => ({
      features,
      outputs: { value: features.b > 0.7 ? Number.NaN : features.a },
    })
    const found = await attribute(
      (row, provider) => (provider === 'webgpu' ? broken(row) : { ...row, outputs: { value: row.features.a } }),
      { ...quick, signal: 'quality' },
    )
    expect(found.causes).toEqual(['provider'])
    expect(found.providers.map(({ provider, isCause }) => [provider, isCause])).toEqual([
      ['wasm', false],
      ['webgpu', true],
    ])
    expect(found.providers[1]?.differences.map(({ part, direction }) => [part, direction])).toContainEqual([
      'outputs/value',
      'missing',
    ])
  })

  test('of the inputs of all is one of the inputs, and the feature that moved explains it', async () => {
    const found = await attribute((row) => moved(row, 0.6))
    expect(found.causes).toEqual(['input'])
    expect(found.providers.map(({ outputs, isCause }) => [outputs, isCause])).toEqual([
      ['alike', false],
      ['alike', false],
    ])
    expect(found.explained[0]?.output).toBe('value')
    expect(found.explained[0]?.features[0]).toMatchObject({ name: 'a', direction: 'location' })
  })

  test('of the inputs of one provider alone is no drift of the provider', async () => {
    const found = await attribute((row, provider) => (provider === 'webgpu' ? moved(row, 1.2) : row))
    expect(found.causes).toEqual(['input'])
    expect(found.providers.map(({ inputs, outputs }) => [inputs, outputs])).toEqual([
      ['differ', 'differ'],
      ['differ', 'differ'],
    ])
  })

  test('of outputs for every provider, on inputs that did not move, is one of the version', async () => {
    const found = await attribute(({ features }) => ({ features, outputs: { value: features.a + 2 * features.b + 1 } }))
    expect(found.causes).toEqual(['version'])
  })

  test('that is none has no cause', async () => {
    expect(await attribute((row) => row)).toMatchObject({ causes: [], explained: [] })
  })

  test('is explained by the feature that moves when the output does, not by one that moved as far at other times', async () => {
    const found = await attribute(({ features }, _, minute) => {
      const own = { a: features.a + (minute % 2 === 0 ? 0 : 1), b: features.b + (minute % 4 < 2 ? 0 : 1) }
      return { features: own, outputs: { value: 2 * own.a } }
    })
    const [explained] = found.explained
    expect(explained?.method).toBe('shift and co-movement')
    expect(explained?.features.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(explained?.features[0]?.correlation).toBeGreaterThan(0.9)
    expect(Math.abs(explained?.features[1]?.correlation ?? 1)).toBeLessThan(0.3)
  })
})

describe('days of which only sums are left', () => {
  const now = began + 5 * day
  const baselined = {
    deployment: { name: 'blue', model: 'm', version: 1, createdAt: new Date(began).toISOString() },
    spec: { digest: digestOf(JSON.stringify(spec)), spec },
  }

  /** Sixty hosts a day, from the second day on half of them on a provider whose outputs are all in the upper cell. */
  async function openWrong(): Promise<Folding> {
    const folding = await openFolding()
    for (let i = 0; i < 300; i++) {
      const start = began + Math.floor(i / 60) * day
      const isWrong = i >= 60 && i % 2 === 0
      const window = start + (i % 12) * hour + 13 * 60_000
      const report = reportOf({ sender: `s${i}`, seq: 1, window, cells: [5, 5], provider: isWrong ? 'webgpu' : 'wasm' })
      const [profile] = report.profiles
      // As in the baseline.
      Object.assign(profile?.counts ?? {}, { b: [6, 4, 0, 0, 0] })
      if (isWrong && profile) profile.outputs.value = [0, 0, 10, 0, 0, 0, 0, 0]
      await folding.store.telemetry.fold([report])
    }
    return folding
  }

  async function leaveSums({ store }: Folding): Promise<void> {
    await foldDays(store, now + 2 * day)
    await store.telemetry.drop(new Date(now).toISOString())
    expect(await store.telemetry.sums('e', '')).toEqual([])
  }

  test('tell where a drift comes from as their reports told it', async () => {
    await using folding = await openWrong()
    const report = await folding.report(now)
    const told = await attributionOf(folding.store, report)
    expect(told).toMatchObject({ causes: ['provider'], providers: [{ rows: 1800 }, { rows: 1200 }] })
    expect(told.explained).toMatchObject([{ output: 'value' }])
    await leaveSums(folding)
    expect(await folding.report(now)).toEqual(report)
    expect(await attributionOf(folding.store, report)).toEqual(told)
  })

  test.each([
    ['of whole days', 0, 3 * day],
    ['of whole hours', 3 * hour, 2 * day + 7 * hour],
  ])('give a baseline %s as their reports gave it', async (_, from, to) => {
    await using folding = await openWrong()
    const span = { from: new Date(began + from).toISOString(), to: new Date(began + to).toISOString() }
    const read = () => pastBaseline(folding.store, 'e', baselined, span)
    const told = await read()
    const rows = told?.counts.features.b?.reduce((sum, count) => sum + count, 0)
    expect(rows).toBeGreaterThan(200)
    await leaveSums(folding)
    expect(await read()).toEqual(told)
  })
})
