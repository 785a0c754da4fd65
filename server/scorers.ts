/**
 * The scorer processes of a host: requests go to the least busy one, a dead one is replaced, an endpoint whose requests
 * kill one after the other is put aside for a while, and a plan is tried out before any that serves loads it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { Plan } from '../runtime/contract/plan.ts'
import type { TelemetryReport } from '../runtime/contract/telemetry.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import { openDeaths } from './deaths.ts'
import { errorFields, type Log } from './log.ts'
import type { FrameMeta, ReportedCounts, RequestMeta } from './protocol.ts'
import { openScorerProcess, type ScoredAnswer, type ScorerProcess } from './scorer-process.ts'
import { type Load, openTrials } from './trials.ts'

export interface ScorersOptions {
  count: number
  /** Restricts the execution providers. */
  providers?: readonly ExecutionProvider[] | undefined
  /** The longest that a run may take, in ms; `limits.runMs` where absent. */
  runMs?: number | undefined
  post(report: TelemetryReport): Promise<void>
  log: Log
}

export interface Scorers {
  /**
   * Switches to a plan: settles once one process serves it, and requests go there; the others follow. What no process
   * holds yet is tried out in a spare one first. Where a plan is refused, the plan before goes on in all.
   *
   * @param load - called again for every process that replaces a dead one
   * @throws {@link SelvedgeError} what `load` or the scorer refused with, `SCORER_DIED` where the plan kills what loads it
   */
  serve(plan: Plan, load: Load): Promise<void>
  withdraw(endpoint: string): Promise<void>
  /** Whether a process can take requests of the endpoint now. */
  isReady(endpoint: string): boolean
  /** @throws {@link SelvedgeError} `NOT_READY`, `QUEUE_FULL` where a request of the endpoint would be refused now */
  admit(endpoint: string): void
  /** Requests of the endpoint that wait or run. */
  waiting(endpoint: string): number
  /** Processes that were started in place of a dead one. */
  readonly restarts: number
  /**
   * @throws {@link SelvedgeError} `NOT_READY`, `QUEUE_FULL`, `SCORER_DIED`, `DEADLINE_EXCEEDED`; what the scorer itself
   * refuses is an answer
   */
  ask(type: 'infer' | 'score', meta: RequestMeta, body: Uint8Array, signal?: AbortSignal): Promise<ScoredAnswer>
  /**
   * Kept here while no process serves the endpoint.
   *
   * @throws {@link SelvedgeError} `NOT_READY` where too many are kept
   */
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
const mostCrashes = 3
const keptOutcomes = 10_000

export async function openScorers(options: ScorersOptions): Promise<Scorers> {
  const { log } = options
  const cwd = await mkdtemp(join(tmpdir(), 'selvedge-scorer-'))
  const adopted = new Map<string, Adopted>()
  const waiting = new Map<string, number>()
  const deaths = openDeaths()
  /** By endpoint, the plan that killed processes while they loaded it. */
  const crashes = new Map<string, { revision: number; times: number }>()
  const closing = new AbortController()
  const processes = new Set<ScorerProcess>()
  const trials = openTrials(openProcess)
  let outcomes: FrameMeta['outcome'][] = []
  let restarts = 0
  const slots = Array.from({ length: options.count }, keepOne)

  function openProcess(): Promise<ScorerProcess> {
    return openScorerProcess({ ...options, runMs: options.runMs ?? limits.runMs, cwd })
  }

  async function keepOne(): Promise<void> {
    while (!closing.signal.aborted) {
      const scorer = await openProcess()
      processes.add(scorer)
      if (closing.signal.aborted) scorer.kill('the host closes')
      for (const wanted of adopted.values()) void holdOn(scorer, wanted)
      const { how, loading, suspect } = await scorer.ended
      processes.delete(scorer)
      if (closing.signal.aborted) return
      restarts++
      // A request beside a load is not blamed for it.
      if (loading === undefined) deaths.add(suspect)
      else crashes.set(loading.endpoint, { revision: loading.revision, times: crashed(loading) + 1 })
      log('error', 'scorer died', { pid: scorer.pid, how, endpoint: loading?.endpoint ?? suspect })
      await pause(deaths.respawnMs())
    }
  }

  // Until it holds the plan or a newer one is wanted: blobs may be out of reach for a while.
  async function holdOn(scorer: ScorerProcess, wanted: Adopted): Promise<void> {
    const { plan } = wanted
    const isWanted = () => adopted.get(plan.endpoint) === wanted && processes.has(scorer) && !closing.signal.aborted
    for (let retryMs = firstRetryMs; isWanted(); retryMs = Math.min(retryMs * 2, longestRetryMs)) {
      try {
        if (crashed(plan) > 0) await tryOut(wanted)
        return await serveOn(scorer, wanted, isWanted)
      } catch (thrown) {
        if (!isWanted()) return
        log('error', 'plan not loaded again', { endpoint: plan.endpoint, ...errorFields(thrown) })
        await pause(retryMs)
      }
    }
  }

  async function serveOn(scorer: ScorerProcess, { plan, load }: Adopted, isWanted = () => true): Promise<void> {
    const missing = plan.deployments.filter((deployment) => !scorer.holds(plan.endpoint, deployment))
    const loaded = missing.length === 0 ? [] : await load(plan, missing, await scorer.ready)
    if (!isWanted()) return
    await scorer.serve(plan, loaded)
    if (crashed(plan) > 0) crashes.delete(plan.endpoint)
    // A process is there for those that came while none was.
    for (const outcome of outcomes.splice(0)) keep(outcome)
  }

  function crashed({ endpoint, revision }: Plan): number {
    const crash = crashes.get(endpoint)
    return crash?.revision === revision ? crash.times : 0
  }

  // Nobody can be harmed by the first plan of all, except by one that has killed a process before.
  async function tryOut({ plan, load }: Adopted): Promise<void> {
    const times = crashed(plan)
    if (times >= mostCrashes) {
      const what = `revision ${plan.revision} of ${plan.endpoint}`
      throw new SelvedgeError('SCORER_DIED', `${what} killed ${times} scorer processes that loaded it`)
    }
    const isHeld = (deployment: Plan['deployments'][number]) =>
      [...processes].some((scorer) => scorer.holds(plan.endpoint, deployment))
    const fresh = times > 0 ? plan.deployments : plan.deployments.filter((deployment) => !isHeld(deployment))
    if (fresh.length === 0 || (times === 0 && adopted.size === 0)) return
    await trials.run({ ...plan, deployments: fresh }, load)
  }

  async function serveFirst(wanted: Adopted): Promise<ScorerProcess> {
    let failure: unknown
    for (const scorer of await readyProcesses()) {
      try {
        await serveOn(scorer, wanted)
        return scorer
      } catch (thrown) {
        failure = thrown
        if (isDeath(thrown)) break
      }
    }
    throw failure
  }

  async function readyProcesses(): Promise<ScorerProcess[]> {
    for (;;) {
      if (closing.signal.aborted) throw new SelvedgeError('HOST_CLOSED', 'the host was closed')
      const known = [...processes]
      const isReady = new Set<ScorerProcess>()
      const all = known.map((scorer) => scorer.ready.then(() => isReady.add(scorer)))
      await Promise.any(all).catch(() => undefined)
      if (isReady.size > 0) return known.filter((scorer) => isReady.has(scorer))
      if (deaths.respawnMs() > 0) throw new SelvedgeError('SCORER_DIED', 'no scorer process stays alive')
      await pause(lookAgainMs)
    }
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: closing.signal }).catch(() => undefined)
  }

  // One that serves the newest plan goes before one that has yet to follow.
  function leastBusy(endpoint: string): ScorerProcess | undefined {
    const newest = adopted.get(endpoint)?.plan
    let least: ScorerProcess | undefined
    for (const scorer of processes) {
      const plan = scorer.plan(endpoint)
      if (plan === undefined) continue
      const isNewer = plan === newest && least?.plan(endpoint) !== newest
      const isEqual = (plan === newest) === (least?.plan(endpoint) === newest)
      if (least === undefined || isNewer || (isEqual && scorer.busy < least.busy)) least = scorer
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

  // Any process reports it: the registry joins it to the exposure by the unit alone.
  function keep(outcome: FrameMeta['outcome']): void {
    const scorer = leastBusy(outcome.endpoint)
    if (scorer !== undefined) scorer.outcome(outcome)
    else if (outcomes.length < keptOutcomes) outcomes.push(outcome)
    else throw new SelvedgeError('NOT_READY', `${outcomes.length} outcomes wait for a scorer process already`)
  }

  return {
    async serve(plan, load) {
      const { endpoint } = plan
      const wanted = { plan, load }
      await tryOut(wanted)
      const first = await serveFirst(wanted)
      adopted.set(endpoint, wanted)
      deaths.forgive(endpoint)
      for (const scorer of processes) if (scorer !== first) void holdOn(scorer, wanted)
    },
    async withdraw(endpoint) {
      adopted.delete(endpoint)
      outcomes = outcomes.filter((outcome) => outcome.endpoint !== endpoint)
      await Promise.allSettled(Array.from(processes, (scorer) => scorer.withdraw(endpoint)))
    },
    isReady: (endpoint) => deaths.asideMs(endpoint) === 0 && leastBusy(endpoint) !== undefined,
    admit: (endpoint) => void admit(endpoint),
    waiting: (endpoint) => waiting.get(endpoint) ?? 0,
    get restarts() {
      return restarts
    },
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
    outcome: keep,
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
      return outcomes.length === 0 && flushed.every((each) => each.status === 'fulfilled' && each.value)
    },
    get processes() {
      return [...processes]
    },
    async close() {
      closing.abort()
      trials.close()
      const flushed = Promise.allSettled(Array.from(processes, (scorer) => scorer.flush()))
      await Promise.race([flushed, sleep(flushMs, undefined, { ref: false })])
      for (const scorer of processes) scorer.kill('the host closes')
      await Promise.all(slots)
      await rm(cwd, { recursive: true, force: true })
    },
  }
}

function isDeath(thrown: unknown): boolean {
  return thrown instanceof SelvedgeError && thrown.code === 'SCORER_DIED'
}
