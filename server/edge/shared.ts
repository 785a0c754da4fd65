/** Work that the requests of an isolate share, one at a time. */

export interface Shared {
  /** What runs now. */
  readonly running: Promise<void> | undefined
  /** Begins the work, or gives undefined where another request has begun it. */
  begin(work: () => Promise<void>): Promise<void> | undefined
}

/**
 * A request's fetches and timers die with it, and whoever waits for them then waits for ever: work that is older than
 * `lifeMs` is taken for dead.
 */
export function openShared(lifeMs: number, now: () => number = Date.now): Shared {
  let current: { done: Promise<void>; startedAt: number } | undefined

  function alive(): Promise<void> | undefined {
    return current !== undefined && now() - current.startedAt < lifeMs ? current.done : undefined
  }

  return {
    get running() {
      return alive()
    },
    begin(work) {
      if (alive() !== undefined) return undefined
      const mine = { done: Promise.resolve(), startedAt: now() }
      current = mine
      mine.done = work().finally(() => {
        if (current === mine) current = undefined
      })
      return mine.done
    },
  }
}
