import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'csv-parse/sync'
import { describe, expect, test } from 'vitest'
import { driftReport, firstWindow } from '../../../registry/monitor/drift.ts'
import type { Feature } from '../../../runtime/contract/description.ts'
import { type Monitor, monitorBody } from '../../../runtime/contract/monitor.ts'
import type { ProfileSpec } from '../../../runtime/contract/profile-spec.ts'
import { recompute } from '../../../runtime/drift/report.ts'
import { buildProfileSpec } from '../../../runtime/telemetry/baseline.ts'
import { openRandom } from '../../runtime/drift/random.ts'
import { countRows, observedDays, type SentRow, senderOf } from './senders.ts'

const began = Date.parse('2026-11-24T00:00:00Z')
const hour = 3600_000
const counted = { deployment: 'blue', version: 1, spec: `sha256:${'0'.repeat(64)}` }

function monitorOf(changes: Record<string, unknown> = {}): Monitor {
  return { name: 'default', ...monitorBody.parse({ season: 'none', ...changes }) }
}

async function report(
  spec: ProfileSpec,
  rows: readonly SentRow[],
  changes: Record<string, unknown> = {},
  device = 'desktop',
) {
  const last = Math.max(...rows.map(({ window }) => Date.parse(window)))
  return await driftReport({
    endpoint: 'e',
    monitor: monitorOf(changes),
    counted,
    spec,
    days: observedDays(spec, countRows(spec, rows, device)),
    first: { from: began, isCut: false },
    now: last + hour,
  })
}

const verdicts = (features: readonly { name: string; verdict: string }[]) =>
  Object.fromEntries(features.map(({ name, verdict }) => [name, verdict]))

const numeric = (name: string, index: number): Feature => ({ name, kind: 'numeric', input: 'x', index })

/** Two independent normal features and one category; `shift` moves the first, `lost` is the share of the second that is null. */
function draw(count: number, seed: number, { shift = 0, lost = 0, level = 0 } = {}) {
  const { normal, uniform } = openRandom(seed)
  return Array.from({ length: count }, () => ({
    moved: normal() + shift,
    kept: uniform() < lost ? null : normal(),
    sex: uniform() < 0.35 + level ? 'female' : 'male',
  }))
}

const features: Feature[] = [
  numeric('moved', 0),
  numeric('kept', 1),
  { name: 'sex', kind: 'categorical', values: ['female', 'male'], encoding: 'onehot', input: 'x', index: 2 },
]
const spec = buildProfileSpec({ features, rows: draw(5000, 1), outputs: [] })

/** Five rows a sender, a hundred senders an hour. */
function sent(rows: readonly Record<string, unknown>[]): SentRow[] {
  return rows.map((row, i) => ({
    sender: senderOf(Math.floor(i / 5)),
    window: new Date(began + Math.floor(i / 500) * hour).toISOString(),
    features: row,
    outputs: {},
  }))
}

describe('a drift report', () => {
  test('tells the feature that moved from those that did not', async () => {
    const found = await report(spec, sent(draw(4000, 2, { shift: 0.4 })))
    expect(verdicts(found.features)).toEqual({ moved: 'drift', kept: 'no_drift', sex: 'no_drift' })
    expect(found).toMatchObject({ verdict: 'drift', rows: 4000, senders: 800, windows: 8 })
  })

  test('says no drift where rows are as the baseline', async () => {
    expect((await report(spec, sent(draw(4000, 3)))).verdict).toBe('no_drift')
  })

  test('finds values that are missing, and a level that grew', async () => {
    const found = await report(spec, sent(draw(4000, 4, { lost: 0.2, level: 0.2 })))
    expect(verdicts(found.features)).toEqual({ moved: 'no_drift', kept: 'drift', sex: 'drift' })
    const [, kept] = found.features
    const most = kept?.directions.toSorted((a, b) => Math.abs(b.mean) / b.limit - Math.abs(a.mean) / a.limit)[0]
    expect(most?.name).toBe('missing')
  })

  test('looks at the features that the monitor names alone', async () => {
    const found = await report(spec, sent(draw(500, 5)), { features: ['kept'] })
    expect(found.features.map(({ name }) => name)).toEqual(['kept'])
  })

  test('keeps an alarm until rows are again as the baseline', async () => {
    const drifted = sent(draw(2000, 6, { shift: 0.5 }))
    const back = sent(draw(12_000, 7)).map((row) => ({
      ...row,
      sender: row.sender.replace('0', '1'),
      window: new Date(Date.parse(row.window) + 4 * hour).toISOString(),
    }))
    expect((await report(spec, [...drifted, ...back.slice(0, 100)])).verdict).toBe('drift')
    expect((await report(spec, [...drifted, ...back])).verdict).toBe('no_drift')
  })

  test('waits for whole days where the season is a day', async () => {
    const rows = sent(draw(4000, 8, { shift: 1 }))
    expect((await report(spec, rows, { season: 'day' })).verdict).toBe('insufficient')
    // The same rows, each an hour's over three hours of a day and a half.
    const later = rows.map((row) => ({
      ...row,
      window: new Date(began + (Date.parse(row.window) - began) * 4).toISOString(),
    }))
    expect((await report(spec, later, { season: 'day' })).features[0]?.verdict).toBe('drift')
  })

  test('of a few servers takes windows as clusters, and says how many are missing', async () => {
    const rows = sent(draw(4000, 9, { shift: 0.4 })).map((row, i) => ({ ...row, sender: senderOf(i % 12) }))
    const found = await report(spec, rows, {}, 'server')
    expect(found).toMatchObject({ verdict: 'insufficient', clustering: 'windows', windows: 8, senders: 12 })
    expect(found.features[0]?.lack).toEqual({ what: 'unrelated windows', count: 13 })
  })

  test('of a few servers finds what moved once there are windows enough', async () => {
    const onServer = (shift: number) =>
      sent(draw(20_000, 13, { shift })).map((row, i) => ({ ...row, sender: senderOf(i % 2) }))
    const found = await report(spec, onServer(0.4), { block: '1h' }, 'server')
    expect((await report(spec, onServer(0), {}, 'server')).verdict).toBe('no_drift')
    expect(verdicts(found.features)).toEqual({ moved: 'drift', kept: 'no_drift', sex: 'no_drift' })
    expect(recompute(found)).toEqual(found)
  })

  test('is the same when it is made again from its own numbers', async () => {
    for (const seed of [10, 11, 12]) {
      for (const device of ['desktop', 'server']) {
        const found = await report(
          spec,
          sent(draw(seed * 200, seed, { shift: (seed - 10) / 4, lost: 0.02 })),
          {},
          device,
        )
        expect(recompute(JSON.parse(JSON.stringify(found)))).toEqual(found)
      }
    }
  })

  test('of a constant feature finds the value that is another', async () => {
    const constant = buildProfileSpec({ features: [numeric('k', 0)], rows: Array(1000).fill({ k: 5 }), outputs: [] })
    const rows = (other: number) => sent(Array.from({ length: 2000 }, (_, i) => ({ k: i % 5 < other ? 6 : 5 })))
    expect((await report(constant, rows(0))).verdict).toBe('no_drift')
    expect((await report(constant, rows(1))).verdict).toBe('drift')
  })
})

describe('the first window of a report', () => {
  const monitor = monitorOf()
  test('is that in which the deployment was made', () => {
    expect(firstWindow(monitor, began + 5 * 60_000, 0, began + 9 * hour)).toEqual({ from: began, isCut: false })
  })

  test('is the start of the life before this one', () => {
    expect(firstWindow(monitor, began, 0, began + 2500 * hour)).toEqual({ from: began + 1000 * hour, isCut: false })
  })

  test('is not one whose counts are gone in part', () => {
    expect(firstWindow(monitor, began, began + 90 * 60_000, began + 9 * hour)).toEqual({
      from: began + 2 * hour,
      isCut: true,
    })
  })
})

const shared = fileURLToPath(new URL('../../../../shared/data/', import.meta.url))

describe.skipIf(!existsSync(shared))('real rows', () => {
  const read = (file: string) => {
    const [head = '', ...lines] = readFileSync(`${shared}${file}`, 'utf8').trim().split('\n')
    const names = head.split(',')
    return lines.map((line) => Object.fromEntries(line.split(',').map((text, i) => [names[i] ?? '', Number(text)])))
  }
  const houses = ['MedInc', 'HouseAge', 'AveRooms', 'AveBedrms', 'Population', 'AveOccup', 'Latitude', 'Longitude']

  test('of California housing: latitude, longitude and the score drift, bedrooms do not', async () => {
    const reference = read('california_housing_reference.csv')
    const analysis = read('california_housing_analysis.csv')
    const outputOf = (row: Record<string, number>) => ({
      class: (row.y_pred_proba ?? 0) >= 0.5 ? 'high' : 'low',
      score: row.y_pred_proba,
    })
    const output = {
      kind: 'classification',
      tensor: 'p',
      activation: 'none',
      classes: ['low', 'high'],
      threshold: 0.5,
    } as const
    const spec = buildProfileSpec({
      features: houses.map(numeric),
      output: { ...output, classes: [...output.classes] },
      rows: reference,
      outputs: reference.map(outputOf),
    })
    // In the order of time one region follows another: hour by hour every column moves. All of it at once is the question.
    const window = new Date(began).toISOString()
    const rows = analysis.map((row, i) => ({ sender: senderOf(i), window, features: row, outputs: outputOf(row) }))
    const found = await report(spec, rows)
    expect(verdicts([...found.features, ...found.outputs])).toMatchObject({
      Latitude: 'drift',
      Longitude: 'drift',
      score: 'drift',
      AveBedrms: 'no_drift',
    })
    // Exact values: vectors/drift.json.
    const exact = { MedInc: 0.068747, HouseAge: 0.086754, AveRooms: 0.065305, AveBedrms: 0.013951, Latitude: 0.507024 }
    for (const [name, d] of Object.entries(exact)) {
      const ks = found.features.find((feature) => feature.name === name)?.effects?.ks
      expect(ks?.low).toBeLessThanOrEqual(d + 1e-6)
      expect(ks?.high).toBeGreaterThanOrEqual(d - 1e-6)
      // Rare ages share bins in which frequent ones, points of their own, lie anywhere.
      expect((ks?.high ?? 1) - (ks?.low ?? 0)).toBeLessThanOrEqual(name === 'HouseAge' ? 0.06 : 0.02)
    }
  })

  test('of Titanic: missing ages and strings are as in the baseline, and ages removed from half of the rows are found', async () => {
    const passengers = (file: string) =>
      (parse(readFileSync(`${shared}${file}`, 'utf8'), { columns: true }) as Record<string, string>[]).map((row) => ({
        Sex: row.Sex,
        Embarked: row.Embarked || null,
        Pclass: row.Pclass,
        Age: row.Age ? Number(row.Age) : null,
        Fare: row.Fare ? Number(row.Fare) : null,
      }))
    const category = (name: string, values: string[], index: number): Feature => ({
      name,
      kind: 'categorical',
      values,
      encoding: 'onehot',
      input: 'x',
      index,
    })
    const spec = buildProfileSpec({
      features: [
        category('Sex', ['female', 'male'], 0),
        category('Embarked', ['C', 'Q', 'S'], 2),
        category('Pclass', ['1', '2', '3'], 5),
        numeric('Age', 8),
        numeric('Fare', 9),
      ],
      rows: passengers('titanic_reference.csv'),
      outputs: [],
    })
    const window = new Date(began).toISOString()
    const rows = passengers('titanic_analysis.csv').map((features: Record<string, unknown>, i: number) => ({
      sender: senderOf(i),
      window,
      features,
      outputs: {},
    }))
    const whole = await report(spec, rows)
    expect(whole.features.filter(({ verdict }) => verdict === 'drift')).toEqual([])
    const lost = rows.map((row, i) => (i % 2 === 0 ? { ...row, features: { ...row.features, Age: null } } : row))
    const found = await report(spec, lost)
    expect(found.features.filter(({ verdict }) => verdict === 'drift').map(({ name }) => name)).toEqual(['Age'])
  })
})
