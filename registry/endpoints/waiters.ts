/** Those who wait for news of an endpoint; one wake-up each, whatever comes first. */

export interface Waiters {
  /** Settles at the next news of the endpoint, after the span, when the signal aborts or when all is closed. */
  wait(endpoint: string, ms: number, signal: AbortSignal): Promise<void>
  wake(endpoint: string): void
  /** Wakes everyone; nobody waits from now on. */
  close(): void
}

export function openWaiters(): Waiters {
  const waiting = new Map<string, Set<() => void>>()
  let closed = false

  function wake(endpoint: string): void {
    for (const end of waiting.get(endpoint) ?? []) end()
  }

  return {
    wait(endpoint, ms, signal) {
      if (closed || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const group = waiting.get(endpoint) ?? new Set()
        waiting.set(endpoint, group)
        const end = () => {
          clearTimeout(timer)
          signal.removeEventListener('abort', end)
          group.delete(end)
          if (group.size === 0 && waiting.get(endpoint) === group) waiting.delete(endpoint)
          resolve()
        }
        const timer = setTimeout(end, ms)
        signal.addEventListener('abort', end, { once: true })
        group.add(end)
      })
    },
    wake,
    close() {
      closed = true
      for (const endpoint of [...waiting.keys()]) wake(endpoint)
    },
  }
}
