/** What is dropped for its age, at the start and every hour: uploads that nobody finished, counts that nobody may change. */
import { limits } from '../runtime/limits.ts'
import type { Blobs } from './blobs/blobs.ts'
import type { Store } from './store/store.ts'

export interface Upkeep {
  /** Settles once nothing of it is under way. */
  close(): Promise<void>
}

interface UpkeepOptions {
  store: Store
  blobs: Blobs
  now(): number
  log(entry: Record<string, unknown>): void
}

const everyMs = 3600_000

// A report of that age is refused, so that one that was dropped never counts anew.
const reportLifeMs = limits.telemetryPastMs + 24 * 3600_000

export async function openUpkeep(options: UpkeepOptions): Promise<Upkeep> {
  let running = upkeep(options)
  await running
  const timer = setInterval(() => {
    running = running.then(() => upkeep(options))
  }, everyMs)
  timer.unref()
  return {
    close() {
      clearInterval(timer)
      return running
    },
  }
}

// What fails now is tried again in an hour; meanwhile the registry serves.
async function upkeep(options: UpkeepOptions): Promise<void> {
  const { store, now, log } = options
  const before = (ms: number) => new Date(now() - ms).toISOString()
  try {
    await store.repositories.dropUploads(before(limits.uploadSessionMs))
    await discardUploads(options)
    await store.telemetry.drop(before(reportLifeMs))
  } catch (thrown) {
    log({ level: 'error', event: 'upkeep failed', cause: String(thrown) })
  }
}

// Bytes come after the row and go before it, so that bytes without a row are of no upload that is going on.
async function discardUploads({ store, blobs }: UpkeepOptions): Promise<void> {
  for (const upload of await blobs.uploads()) {
    if (!(await store.repositories.isOpen(upload))) await blobs.discard(upload)
  }
}
