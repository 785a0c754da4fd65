/** When a webhook that failed is tried again. */
import type { Progress } from '../store/webhooks.ts'

const firstDelayMs = 250
const mostDelayMs = 3600_000
const pauseAfterMs = 24 * 3600_000
const pauseAfterFailures = 20

/**
 * Twice as long after each, up to an hour, and by chance down to half of that, so that not all come back at once; after a day of
 * many failures never.
 */
export function afterFailure({ cursor, failures, failingSince }: Progress, now: number): Progress {
  const at = new Date(now).toISOString()
  const since = failingSince ?? at
  const delayMs = Math.min(mostDelayMs, firstDelayMs * 2 ** Math.min(failures, 20)) * (0.5 + Math.random() / 2)
  const isOver = failures + 1 >= pauseAfterFailures && now - Date.parse(since) >= pauseAfterMs
  const dueAt = Math.ceil(now + delayMs)
  return { cursor, failures: failures + 1, failingSince: since, dueAt, ...(isOver && { pausedAt: at }) }
}
