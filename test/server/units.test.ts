import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'csv-parse/sync'
import { describe, expect, test } from 'vitest'
import { bucket } from '../../runtime/assignment/schemes.ts'
import { driftReport } from '../../runtime/contract/monitor.ts'
import { recompute } from '../../runtime/drift/report.ts'
import { sendJson } from '../registry/fixture.ts'
import { runCommand } from './cli/command.ts'
import { startRegistry } from './fixtures/registry.ts'
import { startServer } from './fixtures/server.ts'

const shared = (path: string) => fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url))
const names = ['MedInc', 'HouseAge', 'AveRooms', 'AveBedrms', 'Population', 'AveOccup', 'Latitude', 'Longitude']

describe.skipIf(!existsSync(shared('models/housing.onnx')))('California housing, one row a unit', () => {
  test('through a scoring server: latitude, longitude and the score drift, bedrooms do not', async () => {
    await using registry = await startRegistry(200)
    const env = { SELVEDGE_REGISTRY: registry.url }
    const baseline = ['--baseline', shared('data/california_housing_reference.csv'), '--outcome', 'clf_target']
    const push = ['push', 'housing', shared('models/housing.onnx'), ...baseline, '--features', names.join(',')]
    for (const args of [push, ['deploy', 'housing/blue', '--model', 'housing@1']]) {
      // On a busy machine progress is told there.
      const { code, stderr } = await runCommand(args, { env })
      expect(code, stderr).toBe(0)
    }
    const monitor = await sendJson(registry.fixture, 'PUT', '/api/v1/endpoints/housing/monitors/all', {
      season: 'none',
      window: '1m',
    })
    expect(monitor.status).toBe(201)
    await using server = await startServer(registry, '--scorers', '2')
    await server.untilReady('housing')

    const rows = shuffled(
      parse(readFileSync(shared('data/california_housing_analysis.csv'), 'utf8'), { columns: true }),
    )
    await Promise.all(Array.from({ length: 16 }, (_, lane) => sendAll(server.url, rows, lane)))
    const drift = async () => {
      const answer = await registry.fixture.request('/api/v1/endpoints/housing/drift?monitor=all')
      return driftReport.parse(await answer.json())
    }
    await expect.poll(async () => (await drift()).rows, { timeout: 20_000 }).toBe(rows.length)
    const report = await drift()
    const verdicts = [...report.features, ...report.outputs].map(({ name, verdict }) => [name, verdict])
    expect(Object.fromEntries(verdicts)).toMatchObject({
      Latitude: 'drift',
      Longitude: 'drift',
      score: 'drift',
      AveBedrms: 'no_drift',
    })
    expect(report).toMatchObject({ clustering: 'units', verdict: 'drift' })
    expect(recompute(report)).toEqual(report)
  }, 120_000)
})

type Row = Record<string, string>

/** Region follows region in the file; all of them at once are the question, whenever a minute ends. */
function shuffled(rows: Row[]): Row[] {
  return rows.toSorted((a, b) => bucket('order', a.id ?? '') - bucket('order', b.id ?? ''))
}

/** Every 16th row. */
async function sendAll(url: string, rows: readonly Row[], lane: number): Promise<void> {
  for (let i = lane; i < rows.length; i += 16) {
    const row = rows[i] ?? {}
    const record = Object.fromEntries(names.map((name) => [name, Number(row[name])]))
    const answer = await fetch(`${url}/v2/models/housing/score`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'selvedge-unit': `house ${row.id}` },
      body: JSON.stringify({ records: [record] }),
    })
    if (answer.status !== 200) throw new Error(await answer.text())
    await answer.arrayBuffer()
  }
}
