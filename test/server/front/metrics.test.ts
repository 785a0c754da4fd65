import { describe, expect, test } from 'vitest'
import { openFront } from './fixture.ts'

describe('metrics of the scoring plane', () => {
  test('metrics count answers by class of status and tell what waits', async () => {
    const { app, post } = openFront()
    await post('/v2/models/digits/infer')
    await post('/v2/models/digits/infer')
    await post('/v2/models/digits/score', '{}', { 'selvedge-unit': 'busy' })
    await post('/v2/models/nothing/score')
    const response = await app.request('/metrics')
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    const text = await response.text()
    const who = 'endpoint="digits",deployment="blue",version="3",provider="cpu"'
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    expect(lines.filter((line) => !line.includes('_bucket') && !line.includes('request_seconds'))).toEqual([
      'selvedge_scoring_requests_total{endpoint="digits",status="2xx"} 2',
      'selvedge_scoring_requests_total{endpoint="digits",status="5xx"} 1',
      'selvedge_scoring_errors_total{endpoint="digits",code="QUEUE_FULL"} 1',
      `selvedge_scoring_queue_seconds_sum{${who}} 0.004`,
      `selvedge_scoring_queue_seconds_count{${who}} 2`,
      `selvedge_scoring_compute_seconds_sum{${who}} 0.006`,
      `selvedge_scoring_compute_seconds_count{${who}} 2`,
      'selvedge_scoring_batch_requests_sum{endpoint="digits",deployment="blue"} 2',
      'selvedge_scoring_batch_requests_count{endpoint="digits",deployment="blue"} 2',
      'selvedge_scoring_unbatched_total{endpoint="digits",reason="idle"} 2',
      'selvedge_scoring_waiting_requests{endpoint="digits"} 5',
      'selvedge_scoring_body_bytes 0',
      'selvedge_scoring_endpoint_ready{endpoint="digits"} 1',
      'selvedge_scoring_ready 1',
      'selvedge_scoring_scorer_restarts_total 2',
      'selvedge_scoring_resident_bytes{process="scorer",pid="7"} 1000',
    ])
    expect(lines).toContain(`selvedge_scoring_compute_seconds_bucket{${who},le="0.002"} 0`)
    expect(lines).toContain(`selvedge_scoring_compute_seconds_bucket{${who},le="0.004"} 2`)
    expect(lines).toContain(`selvedge_scoring_request_seconds_bucket{${who},le="+Inf"} 2`)
    expect(text).toContain('# TYPE selvedge_scoring_requests_total counter\n')
  })
})
