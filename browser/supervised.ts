/**
 * A worker that is started again when it dies: what waited is asked once more of the new one. At most two times in ten
 * minutes, so that a page that kills its worker does not do so for ever.
 */
import { type Remote, wrap } from 'comlink'
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import { type Calls, openCalls } from './calls.ts'
import {
  type ConnectionEvent,
  type Draft,
  isTold,
  type OpenOptions,
  type Progress,
  type WorkerApi,
} from './protocol.ts'
import { startWorker } from './start.ts'
import { keepErrorCodes } from './thrown.ts'

export interface Supervised {
  /**
   * @param use - called once more, with another worker, where the first one dies meanwhile
   * @throws SelvedgeError what the worker refused with, `DEADLINE_EXCEEDED`, `HOST_CLOSED`, `WORKER_UNAVAILABLE` where
   * it died twice or too often
   */
  call<Result>(what: string, use: (remote: WorkerApi) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

interface Listeners {
  progress: ((progress: Progress) => void) | undefined
  event: ((event: ConnectionEvent) => void) | undefined
  draft: (draft: Draft | undefined) => void
  signal: AbortSignal | undefined
}

interface Running {
  remote: WorkerApi
  calls: Calls
  stop(): void
}

/** One worker, from its start to its death. */
interface Life {
  opening: Promise<Running>
  running?: Running
}

const callMs = limits.runMs * 2
const mostRestarts = 2
const restartsWithinMs = 600_000

export async function openSupervised(
  options: Omit<OpenOptions, 'isReplacement'>,
  { progress, event, draft, signal }: Listeners,
): Promise<Supervised> {
  keepErrorCodes()
  const restarts: number[] = []
  let closed = false
  let life = begin(false, signal)
  await life.opening

  function begin(isReplacement: boolean, aborted?: AbortSignal): Life {
    const begun: Life = { opening: open(isReplacement, aborted) }
    begun.opening.then(
      (running) => {
        begun.running = running
      },
      // Whoever waits for it is told when it fails.
      () => undefined,
    )
    return begun
  }

  async function open(isReplacement: boolean, aborted?: AbortSignal): Promise<Running> {
    aborted?.throwIfAborted()
    const worker = await startWorker(options.registry)
    if (aborted?.aborted) {
      worker.terminate()
      throw aborted.reason
    }
    const remote = bound(wrap<WorkerApi>(worker))
    // Comlink's registry of proxies holds the worker until its proxies are gone, and these handlers name them.
    const stop = () => {
      worker.onmessage = worker.onerror = null
      worker.terminate()
    }
    const end = (reason: SelvedgeError) => {
      calls.end(reason)
      stop()
    }
    const calls = openCalls(() => remote.ping(), end)
    const abort = () => end(aborted?.reason)
    worker.onmessage = ({ data }) => {
      if (!isTold(data)) return
      if (data.told === 'progress') progress?.(data.progress)
      if (data.told === 'event') event?.(data.event)
      if (data.told === 'draft') draft(data.draft)
    }
    worker.onerror = ({ message }) => {
      end(new SelvedgeError('WORKER_UNAVAILABLE', `the worker failed: ${message}`))
    }
    aborted?.addEventListener('abort', abort, { once: true })
    try {
      await calls.wait('hold', () => watchLife(remote, end))
      await calls.wait('connect', () => remote.open({ ...options, isReplacement }))
    } catch (error) {
      stop()
      throw error
    } finally {
      aborted?.removeEventListener('abort', abort)
    }
    return { remote, calls, stop }
  }

  // Whoever finds the worker dead waits for the same next one.
  function restart(dead: Life, why: string): Life {
    if (life !== dead) return life
    const now = performance.now()
    while (restarts[0] !== undefined && restarts[0] < now - restartsWithinMs) restarts.shift()
    if (restarts.length >= mostRestarts) {
      const message = `the worker died ${mostRestarts + 1} times within ${restartsWithinMs / 60_000} minutes: ${why}`
      throw new SelvedgeError('WORKER_UNAVAILABLE', message)
    }
    restarts.push(now)
    event?.({ type: 'worker_restarted', why })
    life = begin(true)
    return life
  }

  // Asked at once where a worker runs: what the caller does with its arrays after the call is too late to be sent.
  async function ask<Result>(asked: Life, what: string, use: (remote: WorkerApi) => Promise<Result>): Promise<Result> {
    const { calls, remote } = asked.running ?? (await asked.opening)
    return await calls.wait(what, () => use(remote), callMs)
  }

  return {
    async call(what, use) {
      const asked = life
      try {
        return await ask(asked, what, use)
      } catch (error) {
        const isDead = error instanceof SelvedgeError && error.code === 'WORKER_UNAVAILABLE'
        if (!isDead || closed) throw error
        return await ask(restart(asked, error.message), what, use)
      }
    },
    async close() {
      closed = true
      const { calls, remote, stop } = await life.opening
      try {
        await calls.wait('close', () => remote.close(), callMs)
      } finally {
        calls.end(new SelvedgeError('HOST_CLOSED', `the connection to ${options.endpoint} was closed`))
        stop()
      }
    },
  }
}

// Comlink makes a proxy, and registers it to be finalized, each time that a method is read.
function bound(remote: Remote<WorkerApi>): WorkerApi {
  const { hold, open, score, infer, outcome, state, report, destroyDevice, close, ping } = remote
  return { hold, open, score, infer, outcome, state, report, destroyDevice, close, ping }
}

// A worker that is closed or terminated says nothing, but the browser frees its locks at once.
async function watchLife(remote: WorkerApi, end: (reason: SelvedgeError) => void): Promise<void> {
  const lock = `selvedge-worker-${crypto.randomUUID()}`
  await remote.hold(lock)
  void navigator.locks.request(lock, () => end(new SelvedgeError('WORKER_UNAVAILABLE', 'the worker died')))
}
