/**
 * The table of calls that wait for the worker. A worker that dies is silent: nothing it promised would ever settle, so
 * every call has a deadline and a heartbeat runs while any waits.
 */
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'

export interface Calls {
  /**
   * @param timeoutMs - absent: as long as the worker's heart beats
   * @throws SelvedgeError `DEADLINE_EXCEEDED`, or the reason given to {@link end}
   */
  wait<Result>(what: string, call: () => Promise<Result>, timeoutMs?: number): Promise<Result>
  /** Refuses what waits and all that comes. */
  end(reason: SelvedgeError): void
}

const beatMs = 2000
// A run holds the worker's thread, and with it the answer to a beat.
const silenceMs = limits.runMs + 5000

export function openCalls(ping: () => Promise<void>, died: (reason: SelvedgeError) => void): Calls {
  const waiting = new Set<(reason: SelvedgeError) => void>()
  let ended: SelvedgeError | undefined
  let heardAt = 0
  let beat: ReturnType<typeof setInterval> | undefined

  function end(reason: SelvedgeError): void {
    ended ??= reason
    clearInterval(beat)
    for (const refuse of waiting) refuse(ended)
    waiting.clear()
  }

  function heard(): void {
    heardAt = performance.now()
  }

  function startBeat(): void {
    heard()
    beat = setInterval(() => {
      if (performance.now() - heardAt > silenceMs) {
        const reason = new SelvedgeError('WORKER_UNAVAILABLE', `the worker has been silent for ${silenceMs / 1000} s`)
        end(reason)
        died(reason)
      } else {
        // A refused beat is an answer too.
        ping().then(heard, heard)
      }
    }, beatMs)
  }

  return {
    end,
    async wait(what, call, timeoutMs) {
      if (ended !== undefined) throw ended
      if (waiting.size === 0) startBeat()
      let refuse: (reason: SelvedgeError) => void = () => undefined
      let timer: ReturnType<typeof setTimeout> | undefined
      const refused = new Promise<never>((_, reject) => {
        refuse = reject
        if (timeoutMs === undefined) return
        const late = () =>
          reject(new SelvedgeError('DEADLINE_EXCEEDED', `${what} took more than ${timeoutMs / 1000} s`))
        timer = setTimeout(late, timeoutMs)
      })
      waiting.add(refuse)
      try {
        return await Promise.race([call(), refused])
      } finally {
        clearTimeout(timer)
        waiting.delete(refuse)
        heard()
        if (waiting.size === 0) clearInterval(beat)
      }
    },
  }
}
