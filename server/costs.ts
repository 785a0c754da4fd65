/** Costs: how long a request of an endpoint keeps a scorer busy, learnt from the answers. */

export interface Costs {
  /** Of one request, in ms; 0 until an answer came. */
  ms(endpoint: string): number
  /** @param requests - those that shared the run */
  add(endpoint: string, computeMs: number, requests: number): void
  forget(endpoint: string): void
}

// An exponentially weighted mean over about the last 20 answers.
const share = 0.1

export function openCosts(): Costs {
  const means = new Map<string, number>()
  return {
    ms: (endpoint) => means.get(endpoint) ?? 0,
    add(endpoint, computeMs, requests) {
      const ms = computeMs / requests
      const mean = means.get(endpoint)
      means.set(endpoint, mean === undefined ? ms : mean + (ms - mean) * share)
    },
    forget: (endpoint) => void means.delete(endpoint),
  }
}
