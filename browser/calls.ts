/**
 * The table of calls that wait for the worker. A worker that dies is silent: nothing it promised would ever settle, so
 * every call has a deadline and a heartbeat runs while any waits.
 */
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'

export interface Calls {
  /**
   * @param timeoutMs - to a beat, 2 s; absent: as long as the worker's heart beats
   * @throws SelvedgeError `DEADLINE_EXCEEDED`, or the reason given to {@link end}
   */
  wait<Result>(what: string, call: () => Promise<Result>, timeoutMs?: number): Promise<Result>
  /** Refuses what waits and all that comes. */
  end(reason: SelvedgeError): void
}

interface Waiting {
  what: string
  timeoutMs: number | undefined
  /** Moment of `performance.now()`. */
  startedAt: number
  refuse(reason: SelvedgeError): void
}

const beatMs = 2000
// A run holds the worker's thread, and with it the answer to a beat.
const silenceMs = limits.runMs + 5000

export function openCalls(ping: () => Promise<void>, died: (reason: SelvedgeError) => void): Calls {
  const waiting = new Set<Waiting>()
  let ended: SelvedgeError | undefined
  let heardAt = 0
  let beat: ReturnType<typeof setInterval> | undefined

  function end(reason: SelvedgeError): void {
    ended ??= reason
    stopBeat()
    for (const { refuse } of waiting) refuse(ended)
    waiting.clear()
  }

  function heard(): void {
    heardAt = performance.now()
  }

  // One clock for all that waits: a timer a call took longer than the call of a small network.
  function onBeat(): void {
    if (waiting.size === 0) {
      stopBeat()
      return
    }
    const now = performance.now()
    if (now - heardAt > silenceMs) {
      const reason = new SelvedgeError('WORKER_UNAVAILABLE', `the worker was silent for ${silenceMs / 1000} s`)
      end(reason)
      died(reason)
      return
    }
    refuseLate(now)
    // A refused beat is an answer too.
    ping().then(heard, heard)
  }

  function refuseLate(now: number): void {
    for (const { what, timeoutMs, startedAt, refuse } of waiting) {
      if (timeoutMs === undefined || now - startedAt < timeoutMs) continue
      refuse(new SelvedgeError('DEADLINE_EXCEEDED', `${what} took more than ${timeoutMs / 1000} s`))
    }
  }

  function stopBeat(): void {
    clearInterval(beat)
    beat = undefined
  }

  return {
    end,
    async wait<Result>(what: string, call: () => Promise<Result>, timeoutMs?: number) {
      if (ended !== undefined) throw ended
      const startedAt = performance.now()
      if (waiting.size === 0) heardAt = startedAt
      beat ??= setInterval(onBeat, beatMs)
      const { promise, resolve, reject: refuse } = Promise.withResolvers<Result>()
      const entry = { what, timeoutMs, startedAt, refuse }
      waiting.add(entry)
      try {
        call().then(resolve, refuse)
        return await promise
      } finally {
        waiting.delete(entry)
        heard()
      }
    },
  }
}
