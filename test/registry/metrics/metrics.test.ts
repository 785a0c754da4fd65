import { describe, expect, test } from 'vitest'
import { encodeMetrics } from '../../../runtime/exposition.ts'
import { type Fixture, openServing, sendJson } from '../fixture.ts'

async function metrics(fixture: Fixture): Promise<string[]> {
  const answer = await fixture.request('/metrics')
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return (await answer.text()).split('\n')
}

function report(changes: Record<string, unknown> = {}) {
  const window = `${new Date().toISOString().slice(0, 16)}:00Z`
  const empty = { profiles: [], exposures: [], outcomes: [] }
  return { sender: 'a'.repeat(22), seq: 1, window, endpoint: 'e', revision: 1, ...empty, ...changes }
}

describe('GET /metrics', () => {
  test('says what the registry holds', async () => {
    await using fixture = await openServing()
    const lines = await metrics(fixture)
    expect(lines).toEqual(
      expect.arrayContaining([
        '# TYPE selvedge_models gauge',
        'selvedge_models 1',
        'selvedge_versions 2',
        'selvedge_endpoints 1',
        'selvedge_polls_waiting 0',
      ]),
    )
    const bytes = lines.find((line) => line.startsWith('selvedge_blob_bytes '))
    let sum = 0
    for (const version of [1, 2]) {
      const { sizeBytes } = (await (await fixture.request(`/api/v1/models/a/versions/${version}`)).json()) as {
        sizeBytes: number
      }
      sum += sizeBytes
    }
    // All but the network is the same in both versions and is stored once.
    const manifest = (await (await fixture.request('/v2/a/manifests/2')).json()) as {
      config: { size: number }
      layers: { size: number; annotations: Record<string, string> }[]
    }
    const shared = manifest.layers.filter((layer) => layer.annotations['org.cncf.model.filepath'] !== 'model.onnx')
    expect(Number(bytes?.split(' ')[1])).toBe(
      sum - manifest.config.size - shared.reduce((total, layer) => total + layer.size, 0),
    )
  })

  test('counts answers by route and class of status, and addresses without a route as one', async () => {
    await using fixture = await openServing()
    await fixture.request('/api/v1/models/a')
    await fixture.request('/api/v1/models/b')
    for (const path of ['/x', '/y']) await fixture.request(path)
    expect(await metrics(fixture)).toEqual(
      expect.arrayContaining([
        'selvedge_http_requests_total{method="GET",route="/api/v1/models/:model",status="2xx"} 1',
        'selvedge_http_requests_total{method="GET",route="/api/v1/models/:model",status="4xx"} 1',
        'selvedge_http_requests_total{method="any",route="none",status="4xx"} 2',
      ]),
    )
  })

  test('TE-06 counts reports, and refused ones and left out events by reason', async () => {
    await using fixture = await openServing()
    const outcomes = ['1970-01-01T00:00:00Z', '9999-12-31T23:59:00Z', new Date().toISOString()].map((at) => ({
      unit: 'u'.repeat(22),
      at,
      values: { accepted: true },
    }))
    const bodies = [
      report({ outcomes }),
      report(),
      report({ window: '1970-01-01T00:00:00Z' }),
      report({ window: '9999-12-31T23:59:00Z' }),
      report({ endpoint: 'missing' }),
    ]
    for (const body of bodies) await sendJson(fixture, 'POST', '/api/v1/telemetry', body)
    expect(await metrics(fixture)).toEqual(
      expect.arrayContaining([
        'selvedge_reports_total{counted="true"} 1',
        'selvedge_reports_total{counted="false"} 1',
        'selvedge_reports_refused_total{reason="rejected_time"} 2',
        'selvedge_reports_refused_total{reason="old_sequence"} 1',
        'selvedge_reports_refused_total{reason="unknown_endpoint"} 1',
        'selvedge_events_refused_total{reason="rejected_time"} 2',
      ]),
    )
  })

  test('escapes what would end a label', () => {
    const samples = [{ labels: { a: 'x"y\\z' }, count: 1 }]
    expect(encodeMetrics([{ name: 'n', type: 'counter', help: 'h', samples }])).toBe(
      '# HELP n h\n# TYPE n counter\nn{a="x\\"y\\\\z"} 1\n',
    )
  })
})
