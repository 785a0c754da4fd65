/** Retry budget: how much a client may add to the load of a server that is in trouble already. */

export interface RetryBudget {
  /** A request was begun, which earns a tenth of a retry. */
  earn(): void
  /** Takes one retry; false where there is none left. */
  take(): boolean
}

/** So many retries are there from the start and at most: without them a client that asks seldom could never try again. */
export const savedRetries = 10

const requestsPerRetry = 10

/** A token bucket: of any n requests in a row, at most n / 10 + 10 were tried again. */
export function openRetryBudget(): RetryBudget {
  // Counted in requests, which are whole numbers.
  const most = savedRetries * requestsPerRetry
  let saved = most
  return {
    earn() {
      saved = Math.min(saved + 1, most)
    },
    take() {
      if (saved < requestsPerRetry) return false
      saved -= requestsPerRetry
      return true
    },
  }
}
