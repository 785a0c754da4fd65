/** Trying again where a line broke or a server was away: bounded, and never what was refused. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, SelvedgeError } from '../../runtime/errors.ts'

// Together 48 s: a registry that restarts is back, and one that lost a client without a word has given its request up.
const waitsMs = [250, 500, 1000, 2000, 4000, 8000, 16_000, 16_000]

/** Refused now, and perhaps not in a moment. SIZE_INVALID: what a registry says of a body that was cut behind a proxy. */
const passing: readonly ErrorCode[] = [
  'REGISTRY_UNREACHABLE',
  'REQUEST_TIMEOUT',
  'TOO_MANY_REQUESTS',
  'NOT_READY',
  'DEADLINE_EXCEEDED',
  'BLOB_UPLOAD_INVALID',
  'SIZE_INVALID',
]

/**
 * @param attempt - told whether it is not the first
 * @param position - how far the work is: as long as it moves on, it is tried again
 */
export async function retried<T>(
  attempt: (again: boolean) => Promise<T>,
  position: () => number,
  signal: AbortSignal,
): Promise<T> {
  let [failures, before] = [0, position()]
  for (let again = false; ; again = true) {
    try {
      return await attempt(again)
    } catch (thrown) {
      if (position() > before) failures = 0
      before = position()
      const waitMs = waitsMs[failures]
      const passes = thrown instanceof SelvedgeError && passing.includes(thrown.code)
      if (signal.aborted || waitMs === undefined || !passes) throw thrown
      failures += 1
      // Spread, so that the clients of a registry that was away do not come back at one moment.
      await sleep(waitMs * (0.5 + Math.random() / 2), undefined, { signal })
    }
  }
}
