/**
 * What a scoring server tells Prometheus.
 *
 * | metric | what |
 * |---|---|
 * | `selvedge_scoring_requests_total{endpoint,status}` | answered requests by class of status |
 * | `selvedge_scoring_errors_total{endpoint,code}` | refused requests by Selvedge's error code |
 * | `selvedge_scoring_request_seconds{endpoint,deployment,version,provider}` | histogram: from the request's head to its answer |
 * | `selvedge_scoring_queue_seconds{…}`, `selvedge_scoring_compute_seconds{…}` | histograms: its wait for a run, and the run |
 * | `selvedge_scoring_batch_requests{endpoint,deployment}` | histogram: requests that shared a run, a sample a request |
 * | `selvedge_scoring_unbatched_total{endpoint,reason}` | requests that ran alone, by why: `idle`, `axis`, `rows`, `kind`, `refused` |
 * | `selvedge_scoring_waiting_requests{endpoint}` | requests that wait or run |
 * | `selvedge_scoring_endpoint_ready{endpoint}`, `selvedge_scoring_ready` | whether requests are taken |
 * | `selvedge_scoring_scorer_restarts_total` | scorers started in place of a dead one |
 * | `selvedge_scoring_resident_bytes{process,pid}` | memory of the front and of each scorer, where the system tells |
 * | `selvedge_scoring_body_bytes` | bytes of bodies that are held |
 *
 * All histograms of time have the same edges on every host, so that their cells can be added.
 */
import { latencyEdgesMs } from '../../runtime/contract/telemetry.ts'
import {
  encodeMetrics,
  expositionType,
  type Histogram,
  type Labels,
  type Metric,
  observe,
  openHistogram,
  type Sample,
} from '../../runtime/exposition.ts'
import type { Answer } from '../../runtime/scoring/scorer.ts'
import type { HttpAnswer } from '../http-answer.ts'
import type { Scoring } from '../scoring.ts'

/** One request that was answered. */
export interface Observed {
  endpoint: string
  status: number
  /** Of an error. */
  code?: string | undefined
  /** From its head to its answer. */
  ms: number
  /** Absent where no model answered. */
  by?: Answer | undefined
}

export interface Metrics {
  observe(request: Observed): void
  answer(scoring: Scoring, bodyBytes: number): HttpAnswer
}

const secondEdges = latencyEdgesMs.map((ms) => ms / 1000)
const batchEdges = [1, 2, 4, 8, 16, 32, 64]

export function openMetrics(): Metrics {
  const requests = openFamily(() => ({ count: 0 }))
  const errors = openFamily(() => ({ count: 0 }))
  const unbatched = openFamily(() => ({ count: 0 }))
  const times = openFamily(() => ({
    request: openHistogram(secondEdges),
    queue: openHistogram(secondEdges),
    compute: openHistogram(secondEdges),
  }))
  const batches = openFamily(() => ({ histogram: openHistogram(batchEdges) }))

  function timesOf(which: 'request' | 'queue' | 'compute'): Sample[] {
    return times.samples(({ [which]: histogram }): { histogram: Histogram } => ({ histogram }))
  }

  return {
    observe({ endpoint, status, code, ms, by }) {
      requests.of({ endpoint, status: `${Math.floor(status / 100)}xx` }).count++
      if (code !== undefined) errors.of({ endpoint, code }).count++
      if (by === undefined) return
      const { deployment, version, provider, queueMs, computeMs, batch } = by
      const { request, queue, compute } = times.of({ endpoint, deployment, version: String(version), provider })
      observe(request, ms / 1000)
      observe(queue, queueMs / 1000)
      observe(compute, computeMs / 1000)
      observe(batches.of({ endpoint, deployment }).histogram, batch.requests)
      if (batch.alone !== undefined) unbatched.of({ endpoint, reason: batch.alone }).count++
    },
    answer(scoring, bodyBytes) {
      const gauge = (name: string, help: string, samples: readonly Sample[]) => metric(name, 'gauge', help, samples)
      const byEndpoint = (count: (endpoint: string) => number) =>
        scoring.endpoints.map((endpoint) => ({ labels: { endpoint }, count: count(endpoint) }))
      const text = encodeMetrics([
        metric('requests_total', 'counter', 'Answered requests by class of status.', requests.samples(same)),
        metric('errors_total', 'counter', 'Refused requests by error code.', errors.samples(same)),
        metric('request_seconds', 'histogram', 'From the head of a request to its answer.', timesOf('request')),
        metric('queue_seconds', 'histogram', 'The wait of a request for its run.', timesOf('queue')),
        metric('compute_seconds', 'histogram', 'The run of a request.', timesOf('compute')),
        metric('batch_requests', 'histogram', 'Requests that shared a run.', batches.samples(same)),
        metric('unbatched_total', 'counter', 'Requests that ran alone, by why.', unbatched.samples(same)),
        gauge('waiting_requests', 'Requests that wait or run.', byEndpoint(scoring.waiting)),
        gauge('body_bytes', 'Bytes of bodies that are held.', [{ count: bodyBytes }]),
        gauge(
          'endpoint_ready',
          'Whether an endpoint can take requests.',
          byEndpoint((name) => Number(scoring.endpoint(name)?.isReady ?? false)),
        ),
        gauge('ready', 'As /readyz.', [{ count: Number(scoring.isReady) }]),
        metric('scorer_restarts_total', 'counter', 'Scorers started in place of a dead one.', [
          { count: scoring.restarts },
        ]),
        gauge(
          'resident_bytes',
          'Memory of the front and of each scorer.',
          scoring.memory.map(({ process, pid, bytes }) => ({ labels: { process, pid: String(pid) }, count: bytes })),
        ),
      ])
      return { status: 200, headers: { 'content-type': expositionType }, body: new TextEncoder().encode(text) }
    },
  }
}

function metric(name: string, type: Metric['type'], help: string, samples: readonly Sample[]): Metric {
  return { name: `selvedge_scoring_${name}`, type, help, samples }
}

function same<Value>(value: Value): Value {
  return value
}

/** One value a set of labels; the names of labels are always the same, in the same order. */
function openFamily<Value>(open: () => Value) {
  const values = new Map<string, { labels: Labels; value: Value }>()
  return {
    of(labels: Labels): Value {
      const key = Object.values(labels).join('\n')
      let found = values.get(key)
      if (found === undefined) {
        found = { labels, value: open() }
        values.set(key, found)
      }
      return found.value
    },
    samples(read: (value: Value) => { count: number } | { histogram: Histogram }): Sample[] {
      return Array.from(values.values(), ({ labels, value }) => ({ labels, ...read(value) }))
    },
  }
}
