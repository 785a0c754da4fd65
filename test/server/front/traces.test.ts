import { propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Answer } from '../../../runtime/scoring/scorer.ts'
import { openTraces, type Traces } from '../../../server/front/traces.ts'

const by: Answer = {
  deployment: 'blue',
  version: 3,
  variant: 'fp32',
  provider: 'cpu',
  why: '',
  queueMs: 2,
  computeMs: 3,
  batch: { requests: 4, rows: 4, ownRows: 1 },
}
const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }

describe('traces', () => {
  const exporter = new InMemorySpanExporter()
  let traces: Traces

  beforeAll(async () => {
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
    propagation.setGlobalPropagator(new W3CTraceContextPropagator())
    const opened = await openTraces()
    if (opened === undefined) throw new Error('the package is not installed')
    traces = opened
  })

  beforeEach(() => exporter.reset())

  afterAll(() => {
    trace.disable()
    propagation.disable()
  })

  const headers: Record<string, string> = { traceparent: `00-${caller.traceId}-${caller.spanId}-01` }
  const begin = () => traces.begin('/v2/models/{endpoint}/infer', (name) => headers[name])

  test("a request's span goes on with the caller's trace, its wait and its run inside", () => {
    begin().end({ endpoint: 'digits', status: 200, ms: 6, by })
    const [queue, compute, request] = exporter.getFinishedSpans()
    expect([queue, compute, request].map((span) => [span?.name, span?.spanContext().traceId])).toEqual([
      ['queue', caller.traceId],
      ['compute', caller.traceId],
      ['POST /v2/models/{endpoint}/infer', caller.traceId],
    ])
    expect(request?.kind).toBe(SpanKind.SERVER)
    expect(request?.parentSpanContext?.spanId).toBe(caller.spanId)
    expect(queue?.parentSpanContext?.spanId).toBe(request?.spanContext().spanId)
    const ms = (span: typeof queue) => (span?.duration[0] ?? 0) * 1e3 + (span?.duration[1] ?? 0) / 1e6
    expect(ms(queue)).toBeCloseTo(2, 3)
    expect(ms(compute)).toBeCloseTo(3, 3)
    expect(request?.attributes).toMatchObject({
      'http.response.status_code': 200,
      'selvedge.endpoint': 'digits',
      'selvedge.deployment': 'blue',
      'selvedge.version': 3,
      'selvedge.provider': 'cpu',
      'selvedge.batch.requests': 4,
    })
  })

  test('a refusal names its code; only what is our fault is an error', () => {
    begin().end({ endpoint: 'digits', status: 400, code: 'SHAPE_MISMATCH', ms: 1 })
    begin().end({ endpoint: 'digits', status: 503, code: 'QUEUE_FULL', ms: 1 })
    const spans = exporter.getFinishedSpans()
    expect(spans.map(({ status, attributes }) => [status.code, attributes['error.type']])).toEqual([
      [SpanStatusCode.UNSET, 'SHAPE_MISMATCH'],
      [SpanStatusCode.ERROR, 'QUEUE_FULL'],
    ])
  })
})
