/** What a scoring server tells Prometheus, in its text format 0.0.4. */
import type { HttpAnswer } from '../http-answer.ts'
import type { Scoring } from '../scoring.ts'

export interface Metrics {
  answered(endpoint: string, status: number): void
  answer(scoring: Scoring, bodyBytes: number): HttpAnswer
}

type Sample = [labels: Readonly<Record<string, string>>, value: number]

export function openMetrics(): Metrics {
  const requests = new Map<string, Map<string, number>>()

  return {
    answered(endpoint, status) {
      const kind = `${Math.floor(status / 100)}xx`
      const counts = requests.get(endpoint) ?? new Map<string, number>()
      requests.set(endpoint, counts.set(kind, (counts.get(kind) ?? 0) + 1))
    },
    answer(scoring, bodyBytes) {
      const { endpoints } = scoring
      const asked = Array.from(requests, ([endpoint, counts]) =>
        Array.from(counts, ([status, count]): Sample => [{ endpoint, status }, count]),
      )
      const text = [
        family('selvedge_scoring_requests_total', 'counter', 'Answered requests by class of status.', asked.flat()),
        family(
          'selvedge_scoring_waiting_requests',
          'gauge',
          'Requests that wait or run.',
          endpoints.map((endpoint) => [{ endpoint }, scoring.waiting(endpoint)]),
        ),
        family('selvedge_scoring_body_bytes', 'gauge', 'Bytes of bodies that are held.', [[{}, bodyBytes]]),
        family(
          'selvedge_scoring_endpoint_ready',
          'gauge',
          'Whether an endpoint can take requests.',
          endpoints.map((endpoint) => [{ endpoint }, Number(scoring.endpoint(endpoint)?.isReady ?? false)]),
        ),
        family('selvedge_scoring_ready', 'gauge', 'As /readyz.', [[{}, Number(scoring.isReady)]]),
        family('selvedge_scoring_scorer_restarts_total', 'counter', 'Scorers started in place of a dead one.', [
          [{}, scoring.restarts],
        ]),
      ].join('')
      return {
        status: 200,
        headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
        body: new TextEncoder().encode(text),
      }
    },
  }
}

// Names of endpoints are lower-case letters, digits and . _ -: nothing in a label has to be escaped.
function family(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
  })
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}
