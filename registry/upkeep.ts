/** What is dropped for its age, at the start and every hour: uploads, counts that nobody may change, events, garbage. */
import { limits } from '../runtime/limits.ts'
import { type Collectable, collectGarbage, collectUploads } from './garbage/collect.ts'
import { foldDays } from './telemetry/fold.ts'

export interface Upkeep {
  /** Settles once nothing of it is under way. */
  close(): Promise<void>
}

interface UpkeepOptions extends Collectable {
  log(entry: Record<string, unknown>): void
}

const everyMs = 3600_000

// A report of that age is refused, so that one that was dropped never counts anew.
const reportLifeMs = limits.telemetryPastMs + 24 * 3600_000

const eventLifeMs = 90 * 24 * 3600_000

export async function openUpkeep(options: UpkeepOptions): Promise<Upkeep> {
  const closing = new AbortController()
  const { store, now } = options
  const drop = () =>
    attempt(options, async () => {
      await collectUploads(options, false)
      await store.telemetry.drop(new Date(now() - reportLifeMs).toISOString())
      await store.events.drop(new Date(now() - eventLifeMs).toISOString())
      await store.tidy()
    })
  const fold = () => attempt(options, () => foldDays(store, now(), closing.signal))
  const collect = () =>
    attempt(options, async () => {
      await collectGarbage(options, false, closing.signal)
    })
  await drop()
  // It looks at every report and file, and nothing waits for it.
  let running = fold().then(drop).then(collect)
  const timer = setInterval(() => {
    running = running.then(fold).then(drop).then(collect)
  }, everyMs)
  timer.unref()
  return {
    close() {
      clearInterval(timer)
      closing.abort()
      return running
    },
  }
}

// What fails now is tried again in an hour; meanwhile the registry serves.
async function attempt({ log }: UpkeepOptions, use: () => Promise<void>): Promise<void> {
  try {
    await use()
  } catch (thrown) {
    log({ level: 'error', event: 'upkeep failed', cause: String(thrown) })
  }
}
