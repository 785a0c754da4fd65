/**
 * OpenTelemetry traces of requests (semantic conventions for HTTP servers), where the optional peer `@opentelemetry/api`
 * is installed and the process registered an SDK: a span a request that goes on with the caller's W3C trace context, and
 * in it one for its wait, `queue`, and one for its run, `compute`.
 */
import type { Context as OtelContext, Span, Tracer } from '@opentelemetry/api'
import { version } from '../version.ts'
import type { Observed } from './metrics.ts'

export interface Traces {
  /** @param header - of the request, by lower-case name */
  begin(route: string, header: (name: string) => string | undefined): Trace
}

export interface Trace {
  end(observed: Observed): void
}

type Api = typeof import('@opentelemetry/api')

/** @returns undefined where the package is not installed */
export async function openTraces(): Promise<Traces | undefined> {
  let api: Api
  try {
    api = await import('@opentelemetry/api')
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw thrown
  }
  const tracer = api.trace.getTracer('selvedge', version)
  return { begin: (route, header) => begin(api, tracer, route, header) }
}

function begin(
  { SpanKind, SpanStatusCode, context, propagation, trace }: Api,
  tracer: Tracer,
  route: string,
  header: (name: string) => string | undefined,
): Trace {
  const parent = propagation.extract(context.active(), undefined, {
    get: (_, name) => header(name),
    keys: () => ['traceparent', 'tracestate', 'baggage'],
  })
  const attributes = { 'http.request.method': 'POST', 'http.route': route }
  const span = tracer.startSpan(`POST ${route}`, { kind: SpanKind.SERVER, attributes }, parent)

  return {
    end({ endpoint, status, code, by }) {
      span.setAttributes({ 'http.response.status_code': status, 'selvedge.endpoint': endpoint })
      if (code !== undefined) span.setAttribute('error.type', code)
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      if (by !== undefined) {
        const { deployment, version: model, provider, queueMs, computeMs } = by
        span.setAttributes({
          'selvedge.deployment': deployment,
          'selvedge.version': model,
          'selvedge.provider': provider,
          'selvedge.batch.requests': by.batch.requests,
        })
        const inside = trace.setSpan(parent, span)
        // The scorer tells how long each took; the answer was written right behind the run.
        const end = Date.now()
        part(tracer, 'queue', end - computeMs - queueMs, end - computeMs, inside)
        part(tracer, 'compute', end - computeMs, end, inside)
      }
      span.end()
    },
  }
}

function part(tracer: Tracer, name: string, startTime: number, endTime: number, parent: OtelContext): void {
  const span: Span = tracer.startSpan(name, { startTime }, parent)
  span.end(endTime)
}
