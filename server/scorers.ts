/**
 * The scorer processes of a host: requests go to the least busy one, a dead one is replaced, and an endpoint whose
 * requests kill one after the other is put aside for a while.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { Plan, PlanDeployment } from '../runtime/contract/plan.ts'
import type { TelemetryReport } from '../runtime/contract/telemetry.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import type { LoadedDeployment } from '../runtime/loader.ts'
import { openDeaths } from './deaths.ts'
import { errorFields, type Log } from './log.ts'
import type { FrameMeta, ReportedCounts, RequestMeta } from './protocol.ts'
import { openScorerProcess, type ScoredAnswer, type ScorerProcess } from './scorer-process.ts'

export interface ScorersOptions {
  count: number
  /** Restricts the execution providers. */
  providers?: readonly ExecutionProvider[] | undefined
  /** The longest that a run may take, in ms; `limits.runMs` where absent. */
  runMs?: number | undefined
  post(report: TelemetryReport): Promise<void>
  log: Log
}

/** Deployments with their bytes, for the process that does not hold them yet. */
export type Load = (
  plan: Plan,
  deployments: readonly PlanDeployment[],
  providers: readonly ExecutionProvider[],
) => Promise<LoadedDeployment[]>

export interface Scorers {
  /**
   * Switches every process to a plan. One goes first: where it refuses the plan, the plan before goes on in all.
   *
   * @param load - called again for every process that replaces a dead one
   * @throws {@link SelvedgeError} what `load` or the scorer refused with, `SCORER_DIED`
   */
  serve(plan: Plan, load: Load): Promise<void>
  withdraw(endpoint: string): Promise<void>
  /** Whether a process can take requests of the endpoint now. */
  isReady(endpoint: string): boolean
  /**
   * @throws {@link SelvedgeError} `NOT_READY`, `QUEUE_FULL`, `SCORER_DIED`, `DEADLINE_EXCEEDED`; what the scorer itself
   * refuses is an answer
   */
  ask(type: 'infer' | 'score', meta: RequestMeta, body: Uint8Array, signal?: AbortSignal): Promise<ScoredAnswer>
  outcome(meta: FrameMeta['outcome']): void
  /** Sums over the processes that live; the profiles of the newest report. */
  count(endpoint: string): Promise<ReportedCounts>
  /** Posts what was counted, now; false where something could not be posted and waits on. */
  flush(): Promise<boolean>
  readonly processes: readonly ScorerProcess[]
  /** Posts once more and ends every process. */
  close(): Promise<void>
}

interface Adopted {
  plan: Plan
  load: Load
}

const firstRetryMs = 500
const longestRetryMs = 30_000
const flushMs = 5000
const lookAgainMs = 50

export async function openScorers(options: ScorersOptions): Promise<Scorers> {
  const { log } = options
  const cwd = await mkdtemp(join(tmpdir(), 'selvedge-scorer-'))
  const adopted = new Map<string, Adopted>()
  const waiting = new Map<string, number>()
  const deaths = openDeaths()
  const closing = new AbortController()
  const processes = new Set<ScorerProcess>()
  const slots = Array.from({ length: options.count }, keepOne)

  async function keepOne(): Promise<void> {
    while (!closing.signal.aborted) {
      const scorer = await openScorerProcess({ ...options, runMs: options.runMs ?? limits.runMs, cwd })
      processes.add(scorer)
      if (closing.signal.aborted) scorer.kill('the host closes')
      void catchUp(scorer)
      const { how, suspect } = await scorer.ended
      processes.delete(scorer)
      if (closing.signal.aborted) return
      deaths.add(suspect)
      log('error', 'scorer died', { pid: scorer.pid, how, endpoint: suspect })
      await pause(deaths.respawnMs())
    }
  }

  async function catchUp(scorer: ScorerProcess): Promise<void> {
    await Promise.all(Array.from(adopted.keys(), (endpoint) => holdOn(scorer, endpoint)))
  }

  // Until it holds the endpoint's plan: blobs may be out of reach for a while, and the endpoint may be put aside.
  async function holdOn(scorer: ScorerProcess, endpoint: string): Promise<void> {
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(retryMs * 2, longestRetryMs)) {
      const wanted = adopted.get(endpoint)
      if (wanted === undefined || !processes.has(scorer) || closing.signal.aborted) return
      if (scorer.plan(endpoint) === wanted.plan) return
      const asideMs = deaths.asideMs(endpoint)
      if (asideMs > 0) {
        await pause(asideMs)
        continue
      }
      try {
        await serveOn(scorer, wanted)
      } catch (thrown) {
        if (!processes.has(scorer)) return
        log('error', 'plan not loaded again', { endpoint, ...errorFields(thrown) })
        await pause(retryMs)
      }
    }
  }

  async function serveOn(scorer: ScorerProcess, { plan, load }: Adopted): Promise<void> {
    const providers = await scorer.ready
    const missing = plan.deployments.filter((deployment) => !scorer.holds(plan.endpoint, deployment))
    const loaded = missing.length === 0 ? [] : await load(plan, missing, providers)
    await scorer.serve(plan, loaded)
  }

  async function firstReady(): Promise<ScorerProcess> {
    for (;;) {
      if (closing.signal.aborted) throw new SelvedgeError('HOST_CLOSED', 'the host was closed')
      const each = await Promise.all(
        Array.from(processes, (scorer) =>
          scorer.ready.then(
            () => scorer,
            () => undefined,
          ),
        ),
      )
      const ready = each.find((scorer) => scorer !== undefined)
      if (ready !== undefined) return ready
      if (deaths.respawnMs() > 0) throw new SelvedgeError('SCORER_DIED', 'no scorer process stays alive')
      await pause(lookAgainMs)
    }
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: closing.signal }).catch(() => undefined)
  }

  function leastBusy(endpoint: string): ScorerProcess | undefined {
    let least: ScorerProcess | undefined
    for (const scorer of processes) {
      if (scorer.plan(endpoint) === undefined) continue
      if (least === undefined || scorer.busy < least.busy) least = scorer
    }
    return least
  }

  function admit(endpoint: string): ScorerProcess {
    const asideMs = deaths.asideMs(endpoint)
    if (asideMs > 0) {
      const why = `its requests killed ${deaths.most} scorers within ${deaths.spanMs / 1000} s`
      throw new SelvedgeError('NOT_READY', `endpoint ${endpoint} is disabled: ${why}`, { retryAfterMs: asideMs })
    }
    const scorer = leastBusy(endpoint)
    if (scorer === undefined) throw new SelvedgeError('NOT_READY', `endpoint ${endpoint} is not loaded yet`)
    const waits = (waiting.get(endpoint) ?? 0) - processes.size
    if (waits >= limits.queueLength) {
      throw new SelvedgeError('QUEUE_FULL', `${waits} requests for ${endpoint} wait already`)
    }
    return scorer
  }

  return {
    async serve(plan, load) {
      const { endpoint } = plan
      const wanted = { plan, load }
      const first = await firstReady()
      await serveOn(first, wanted)
      adopted.set(endpoint, wanted)
      deaths.forgive(endpoint)
      await Promise.all(Array.from(processes, (scorer) => holdOn(scorer, endpoint)))
    },
    async withdraw(endpoint) {
      adopted.delete(endpoint)
      await Promise.allSettled(Array.from(processes, (scorer) => scorer.withdraw(endpoint)))
    },
    isReady: (endpoint) => deaths.asideMs(endpoint) === 0 && leastBusy(endpoint) !== undefined,
    async ask(type, meta, body, signal) {
      const { endpoint } = meta
      const scorer = admit(endpoint)
      waiting.set(endpoint, (waiting.get(endpoint) ?? 0) + 1)
      try {
        return await scorer.ask(type, meta, body, signal)
      } finally {
        waiting.set(endpoint, (waiting.get(endpoint) ?? 1) - 1)
      }
    },
    // Any process reports it: the registry joins it to the exposure by the unit alone.
    outcome: (meta) => leastBusy(meta.endpoint)?.outcome(meta),
    async count(endpoint) {
      const counts = await Promise.all(Array.from(processes, (scorer) => scorer.count(endpoint)))
      const [newest] = counts.toSorted((a, b) => (b.at ?? '').localeCompare(a.at ?? ''))
      return {
        rows: counts.reduce((sum, { rows }) => sum + rows, 0),
        dropped: counts.reduce((sum, { dropped }) => sum + dropped, 0),
        at: newest?.at,
        profiles: newest?.profiles ?? [],
      }
    },
    async flush() {
      const flushed = await Promise.allSettled(Array.from(processes, (scorer) => scorer.flush()))
      return flushed.every((each) => each.status === 'fulfilled' && each.value)
    },
    get processes() {
      return [...processes]
    },
    async close() {
      closing.abort()
      const flushed = Promise.allSettled(Array.from(processes, (scorer) => scorer.flush()))
      await Promise.race([flushed, sleep(flushMs, undefined, { ref: false })])
      for (const scorer of processes) scorer.kill('the host closes')
      await Promise.all(slots)
      await rm(cwd, { recursive: true, force: true })
    },
  }
}
