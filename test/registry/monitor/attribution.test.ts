import { describe, expect, test } from 'vitest'
import { type Attribution, attribution } from '../../../runtime/contract/attribution.ts'
import { sendJson } from '../fixture.ts'
import { at, draw, openMonitored, post, quick, reportsOf } from './fixture.ts'

type Row = ReturnType<typeof draw>[number]

const path = '/api/v1/endpoints/e'

/** Sixteen minutes of pages: every other one on WebGPU. */
async function attribute(change: (row: Row, provider: 'webgpu' | 'wasm', minute: number) => Row): Promise<Attribution> {
  const clock = { now: at }
  await using fixture = await openMonitored(clock)
  await sendJson(fixture, 'PUT', `${path}/monitors/mine`, quick)
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
