/** Those who wait for news of an endpoint; one wake-up each, whatever comes first. */

export interface Waiting {
  /** Settles at the first news since the watch began, after the span, when the signal aborts or when all is closed. */
  news: Promise<void>
  /** Ends the watch; `news` settles. */
  close(): void
}

export interface Waiters {
  /** Watches from now on: whoever reads the plan after this call misses no news. */
  watch(endpoint: string, ms: number, signal: AbortSignal): Waiting
  wake(endpoint: string): void
  /** How many watch now. */
  count(): number
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
    watch(endpoint, ms, signal) {
      if (closed || signal.aborted) return { news: Promise.resolve(), close: () => undefined }
      const { promise: news, resolve } = Promise.withResolvers<void>()
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
      return { news, close: end }
    },
    wake,
    count: () => [...waiting.values()].reduce((sum, group) => sum + group.size, 0),
    close() {
      closed = true
      for (const endpoint of [...waiting.keys()]) wake(endpoint)
    },
  }
}
