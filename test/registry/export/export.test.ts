import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet'
import { describe, expect, test } from 'vitest'
import { driftTable } from '../../../registry/export/drift.ts'
import { exposureTable } from '../../../registry/export/exposures.ts'
import { type Column, encodeParquet } from '../../../registry/export/parquet.ts'
import { profileTable } from '../../../registry/export/profiles.ts'
import { openSqliteStore } from '../../../registry/store/sqlite/open.ts'
import { foldDays } from '../../../registry/telemetry/fold.ts'
import { type Fixture, sendJson } from '../fixture.ts'
import { hasCalifornia, readHouses, specOf } from '../monitor/california.ts'
import { at, draw, drift, openDrifted, openMonitored, post, quick, reportsOf } from '../monitor/fixture.ts'
import { openJudged, tell, unitOf } from '../monitor/judged.ts'

type Row = Record<string, unknown>

async function read(fixture: Fixture, query: string): Promise<{ rows: Row[]; metadata: FileMetaData }> {
  const answer = await fixture.request(`/api/v1/endpoints/e/export.parquet?${query}`)
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('application/vnd.apache.parquet')
  const file = await answer.arrayBuffer()
  return { rows: await parquetReadObjects({ file }), metadata: parquetMetadata(file) }
}

describe('an export', () => {
  test('of profiles has every cell that was counted, beside the baseline', async () => {
    await using fixture = await openDrifted()
    const { features } = await drift(fixture, '?monitor=mine')
    const { rows } = await read(fixture, 'kind=profiles')
    const ofA = rows.filter(({ name, side }) => name === 'a' && side === 'feature')
    const [cell] = ofA
    expect(cell).toEqual({
      endpoint: 'e',
      from: new Date('2026-11-24T10:00:00Z'),
      to: new Date('2026-11-24T11:00:00Z'),
      deployment: 'blue',
      version: 1,
      spec: expect.stringMatching(/^sha256:/),
      variant: 'fp32',
      provider: 'wasm',
      device: 'desktop',
      side: 'feature',
      name: 'a',
      cell: 0,
      cell_name: expect.stringMatching(/^below -/),
      low: null,
      high: features[0]?.profile.kind === 'numeric' ? features[0].profile.edges[0] : undefined,
      count: expect.any(BigInt),
      baseline_count: 0n,
    })
    expect(ofA.map(({ baseline_count }) => Number(baseline_count))).toEqual(features[0]?.profile.counts)
    expect(ofA.reduce((sum, { count }) => sum + Number(count), 0)).toBe(4000)
  })

  test('of profiles says the same of a day before it ended and after, by provider', async () => {
    const clock = { now: at }
    await using fixture = await openMonitored(clock)
    const reports = reportsOf(fixture.spec, draw(1000, 2)).map((report, i) => ({
      ...report,
      profiles: report.profiles.map((profile) => ({
        ...profile,
        provider: i % 4 === 0 ? ('cpu' as const) : profile.provider,
      })),
    }))
    await post(fixture, reports)
    const counts = async () => {
      const { rows } = await read(fixture, 'kind=profiles')
      return new Set(
        rows.map(
          ({ provider, side, name, cell, from, count }) => `${provider} ${side} ${name} ${cell} ${from} ${count}`,
        ),
      )
    }
    const before = await counts()
    expect([...before].filter((row) => row.startsWith('cpu feature a '))).toHaveLength(
      fixture.spec.features[0]?.counts.length ?? 0,
    )
    clock.now += 2 * 24 * 3600_000
    const store = openSqliteStore(join(fixture.dataDir, 'registry.db'))
    await foldDays(store, clock.now)
    expect(await store.days.open('2026-11-26')).toEqual([])
    await store.close()
    expect(await counts()).toEqual(before)
  })

  test('of profiles reaches back to days of which nothing but sums is left', async () => {
    const clock = { now: at }
    await using fixture = await openMonitored(clock)
    await post(fixture, reportsOf(fixture.spec, draw(1000, 2)))
    clock.now += 9 * 24 * 3600_000
    // A registry folds and drops when it starts.
    await fixture.restart()
    const left = async () => (await fixture.request('/api/v1/endpoints/e/profiles')).json()
    await expect.poll(left).toEqual({ items: [] })
    const { rows } = await read(fixture, 'kind=profiles')
    const ofB = rows.filter(({ name }) => name === 'b')
    expect(ofB.reduce((sum, { count }) => sum + Number(count), 0)).toBe(1000)
    const source = { variant: 'fp32', provider: 'wasm', device: 'desktop' }
    expect(ofB[0]).toMatchObject({ from: new Date('2026-11-24T10:00:00Z'), version: 1, ...source })
    const { rows: late } = await read(fixture, 'kind=profiles&since=2026-11-25T00:00:00Z')
    expect(late).toEqual([])
  })

  test('of drift has what each look said of each part', async () => {
    const clock = { now: at }
    await using fixture = await openMonitored(clock)
    await sendJson(fixture, 'PUT', '/api/v1/endpoints/e/monitors/mine', quick)
    clock.now += 8 * 60_000
    await post(fixture, reportsOf(fixture.spec, draw(4000, 2, 0.4)))
    clock.now += 2 * 60_000
    await fixture.restart()
    const looks = async () => (await read(fixture, 'kind=drift')).rows.filter(({ monitor }) => monitor === 'mine')
    await expect.poll(async () => (await looks()).length).toBe(3)
    const [first, second] = await looks()
    const told = (await drift(fixture, '?monitor=mine')).features[0]
    expect(first).toMatchObject({ part: 'features/a', verdict: 'drift', monitor_verdict: 'drift', signal: 'drift' })
    expect(first).toMatchObject({ direction: 'location', log_evidence: told?.logEvidence, rows: 4000n })
    expect(first?.psi).toBe(told?.effects?.psi.value)
    expect(second).toMatchObject({ part: 'features/b', verdict: 'no_drift' })
  })

  test.skipIf(!hasCalifornia)('of exposures names no unit and says what it was answered', async () => {
    const houses = readHouses().reference.slice(0, 300)
    const spec = specOf(houses)
    await using fixture = await openJudged(spec)
    await tell(fixture, spec, houses, ({ isPositive }) => isPositive)
    const { rows } = await read(fixture, 'kind=exposures')
    expect(rows).toHaveLength(300)
    const [house] = houses
    expect(rows.find(({ unit }) => unit === unitOf(0))).toMatchObject({
      deployment: 'blue',
      day: '2026-11-24',
      version: 1,
    })
    const said = JSON.parse(String(rows.find(({ unit }) => unit === unitOf(0))?.answered))
    expect(said.class).toBe(house && house.score >= 0.8 ? 'high' : 'low')
    expect((await read(fixture, 'kind=exposures&until=2026-11-24T10:00:00Z')).rows).toEqual([])
  })

  test('says in its metadata what it and its columns are', async () => {
    await using fixture = await openMonitored()
    const { metadata } = await read(fixture, 'kind=profiles')
    const said = Object.fromEntries((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value]))
    expect(said['selvedge.about']).toBe(profileTable.about)
    const columns = JSON.parse(said['selvedge.columns'] ?? '')
    expect(columns.count).toBe('Rows in the span.')
    expect(Object.keys(columns)).toEqual(metadata.schema.slice(1).map(({ name }) => name))
  })

  test('is refused for a kind that there is not', async () => {
    await using fixture = await openMonitored()
    expect((await fixture.request('/api/v1/endpoints/e/export.parquet?kind=rows')).status).toBe(400)
    expect((await fixture.request('/api/v1/endpoints/none/export.parquet?kind=drift')).status).toBe(404)
  })

  test.each([
    ['profiles', profileTable.columns],
    ['drift', driftTable.columns],
    ['exposures', exposureTable.columns],
  ])('has its columns of %s in the README', (_, columns) => {
    const readme = readFileSync(new URL('../../../registry/README.md', import.meta.url), 'utf8')
    for (const { name, type, about } of columns as readonly Column<never>[]) {
      expect(readme).toContain(`| \`${name}\` | ${type} | ${about} |`)
    }
  })
})

describe('Parquet, written as rows come', () => {
  test('holds one group of rows at a time, and every row in order', async () => {
    let made = 0
    async function* rows() {
      for (; made < 25_000; made++) yield made
    }
    const columns: Column<number>[] = [{ name: 'n', type: 'INT32', about: 'A number.', of: (n) => n }]
    const pieces: Uint8Array[] = []
    const madeAt: number[] = []
    for await (const piece of encodeParquet({ about: 'Numbers.', columns }, rows())) {
      pieces.push(piece)
      madeAt.push(made)
    }
    // A group is given out before the next row is asked for.
    expect(madeAt).toEqual([9999, 19_999, 25_000])
    const file = new Uint8Array(Buffer.concat(pieces)).buffer
    const read = await parquetReadObjects({ file })
    expect(read.map(({ n }) => n)).toEqual(Array.from({ length: 25_000 }, (_, i) => i))
  })
})
