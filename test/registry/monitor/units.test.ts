import { describe, expect, test } from 'vitest'
import { driftReport } from '../../../registry/monitor/drift.ts'
import type { SenderCounts } from '../../../registry/store/days.ts'
import { bucket } from '../../../runtime/assignment/schemes.ts'
import { type Monitor, monitorBody } from '../../../runtime/contract/monitor.ts'
import { recompute } from '../../../runtime/drift/report.ts'
import { buildProfileSpec } from '../../../runtime/telemetry/baseline.ts'
import { openUnitDay } from '../../../runtime/telemetry/pairs.ts'
import { openProfile } from '../../../runtime/telemetry/profile.ts'
import { draw } from './fixture.ts'
import { countRows, observedDays, senderOf } from './senders.ts'

const began = Date.parse('2026-11-24T00:00:00Z')
const hour = 3600_000
const baseline = draw(5000, 1)
const spec = buildProfileSpec({
  features: ['a', 'b'].map((name, index) => ({ name, kind: 'numeric', input: 'x', index })),
  output: { kind: 'regression', tensor: 'y' },
  rows: baseline.map(({ features }) => features),
  outputs: baseline.map(({ outputs }) => outputs),
})

type UnitRow = ReturnType<typeof draw>[number] & {
  unit: string
  window: string
}

/** Five rows a unit, one an hour; in one visit its values are alike. */
function visits(count: number, seed: number, shift: number): UnitRow[] {
  const own = draw(count / 5, seed + 1)
  return draw(count, seed, shift).map((row, i) => {
    const unit = i % (count / 5)
    const { a, b } = row.features
    const alike = own[unit]?.features ?? { a: 0, b: 0 }
    const features = { a: 0.8 * a + 0.6 * alike.a, b: 0.8 * b + 0.6 * alike.b }
    const window = new Date(began + Math.floor((5 * i) / count) * hour).toISOString()
    return { features, outputs: { value: features.a + 2 * features.b }, unit: `unit ${unit}`, window }
  })
}

/** What servers report of them; each row comes to the server that `host` names. */
function onServers(rows: readonly UnitRow[], host: (row: number) => number, tellsUnit = (_row: number) => true) {
  const days = new Map<number, ReturnType<typeof openUnitDay>>()
  const windows = new Map<string, { rows: number; profile: ReturnType<typeof openProfile>; pairs: unknown }>()
  const reports = new Map<string, () => SenderCounts>()
  for (const [i, { features, outputs, unit, window }] of rows.entries()) {
    const at = host(i)
    const day = days.get(at) ?? openUnitDay(spec)
    days.set(at, day)
    if (day === undefined) throw new Error('the spec is too large')
    const key = `${window} ${at}`
    const held = windows.get(key) ?? { rows: 0, profile: openProfile(spec), pairs: day.open() }
    windows.set(key, held)
    const pairs = held.pairs as ReturnType<typeof day.open>
    day.add(pairs, tellsUnit(i) ? unit : undefined, held.profile.countRow(features), held.profile.countOutput(outputs))
    reports.set(key, () => ({
      window,
      sender: senderOf(at),
      device: 'server',
      tier: 'trusted',
      variant: 'fp32',
      provider: 'cpu',
      ...held.profile.counts(),
      ...(pairs.rows > 0 && { units: day.read(pairs) }),
    }))
  }
  return [...reports.values()].map((read) => read())
}

async function report(rows: readonly SenderCounts[], now = began + 24 * hour) {
  return await driftReport({
    endpoint: 'e',
    monitor: { name: 'default', ...monitorBody.parse({ season: 'none' }) } satisfies Monitor,
    counted: { deployment: 'blue', version: 1, spec: `sha256:${'0'.repeat(64)}` },
    spec,
    days: observedDays(spec, rows),
    first: { from: began, isCut: false },
    now,
  })
}

describe('a drift report on a server that told its units', () => {
  test('is that of as many pages', async () => {
    const rows = visits(2000, 2, 0.5)
    const asPages = rows.map((row) => ({ ...row, sender: row.unit }))
    const pages = await report(countRows(spec, asPages))
    const server = await report(onServers(rows, () => 1))
    expect(server).toMatchObject({ clustering: 'units', senders: 1, verdict: 'drift' })
    for (const [i, { verdict, block, counts, directions }] of pages.features.entries()) {
      expect(server.features[i]).toMatchObject({ verdict, block, counts })
      // A few units share a slot.
      const ratio = (server.features[i]?.directions[0]?.designEffect ?? 0) / (directions[0]?.designEffect ?? 1)
      expect(Math.abs(ratio - 1)).toBeLessThan(0.05)
    }
    expect(recompute(server)).toEqual(server)
  })

  test('takes correlation for what it is where the rows of a unit are spread over four servers', async () => {
    const rows = visits(5000, 4, 0)
    const whole = await report(onServers(rows, () => 1))
    const spread = await report(onServers(rows, (row) => bucket('host', `${row}`) % 4))
    const effects = [whole, spread].map(({ features }) => features[0]?.directions[0]?.designEffect ?? 0)
    // Rows of a unit have a correlation of 0.36, and there are five of them: 1 + 4 · 0.36.
    expect(effects[0]).toBeCloseTo(2.44, 0)
    expect(Math.abs((effects[1] ?? 0) - (effects[0] ?? 0))).toBeLessThan(0.4)
  })

  test('rests on time where many rows came without a unit', async () => {
    const rows = visits(2000, 6, 0.5)
    expect(
      await report(
        onServers(
          rows,
          () => 1,
          (row) => row % 5 > 0,
        ),
      ),
    ).toMatchObject({ clustering: 'windows' })
    expect(
      await report(
        onServers(
          rows,
          () => 1,
          (row) => row % 20 > 0,
        ),
      ),
    ).toMatchObject({ clustering: 'units' })
  })

  test('says how many units are missing', async () => {
    const rows = visits(50, 8, 0)
    const { features } = await report(onServers(rows, () => 1))
    expect(features[0]).toMatchObject({ verdict: 'insufficient', lack: { what: 'units', count: 3 } })
  })
})

describe('TE-08: pages that lie', () => {
  const hourOf = (i: number) => new Date(began + (i % 24) * hour).toISOString()
  const counts = (seed: number, shift: number) =>
    countRows(
      spec,
      draw(5000, seed, shift).map((row, i) => ({ ...row, sender: `page ${i % 1000}`, window: hourOf(i % 1000) })),
    ).map((each) => ({ ...each, tier: 'page' as const }))
  /** One in a hundred sends a million rows at the end of the range. */
  const lying = (rows: readonly SenderCounts[]) =>
    rows.map((row, i) => {
      if (i % 100 !== 0) return row
      const far = (cells: readonly number[] = []) => cells.map((_, at) => (at === cells.length - 6 ? 1_000_000 : 0))
      const all = (cells: Readonly<Record<string, number[]>>) =>
        Object.fromEntries(Object.entries(cells).map(([name, own]) => [name, far(own)]))
      return { ...row, rows: 1_000_000, counts: all(row.counts), outputs: all(row.outputs) }
    })

  test('make no drift where one in a hundred does, hide none, and are told apart', async () => {
    const calm = await report(lying(counts(2, 0)))
    const moved = await report(lying(counts(3, 0.4)))
    expect(calm.verdict).not.toBe('drift')
    expect(calm.untrusted).toBe(calm.rows)
    expect(moved.features.map(({ verdict }) => verdict)).toEqual(['drift', expect.not.stringMatching(/^drift$/)])
  })

  test('make drift where one in twenty does so for a week, each no more than a busy page', async () => {
    const week = Array.from({ length: 7 }, (_, day) =>
      counts(10 + day, 0).map((row, i) => {
        const window = new Date(Date.parse(row.window) + day * 24 * hour).toISOString()
        if (i % 20 > 0) return { ...row, window }
        const { a = [] } = row.counts
        const far = a.map((_, at) => (at === a.length - 7 ? 20 : 0))
        return { ...row, window, rows: 20, counts: { ...row.counts, a: far } }
      }),
    ).flat()
    const found = await report(week, began + 7 * 24 * hour)
    expect(found.features.map(({ verdict }) => verdict)).toEqual(['drift', expect.not.stringMatching(/^drift$/)])
    expect(found.untrusted).toBe(found.rows)
  })
})
