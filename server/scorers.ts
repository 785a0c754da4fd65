/**
 * The scorers of a host: a request goes where it is answered soonest, is asked once more where its process dies, and an
 * endpoint whose requests kill one process after the other is put aside for a while.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Plan } from '../runtime/contract/plan.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { limits } from '../runtime/limits.ts'
import { openAdmission } from './admission.ts'
import { openCosts } from './costs.ts'
import { openDeaths } from './deaths.ts'
import { openPool, type PoolOptions, scorersOf } from './pool.ts'
import type { FrameMeta, ReportedCounts } from './protocol.ts'
import { releaseAlone } from './release.ts'
import type { ScorerProcess } from './scorer-process.ts'
import type { RequestMeta, ScoredAnswer } from './scoring.ts'
import { isDeath, openSuspects } from './suspects.ts'
import type { Load } from './trials.ts'

export interface Scorers {
  /** @throws {@link SelvedgeError} as {@link Pool.serve} */
  serve(plan: Plan, load: Load): Promise<void>
  withdraw(endpoint: string): Promise<void>
  /** Whether a process can take requests of the endpoint now. */
  isReady(endpoint: string): boolean
  /** @throws {@link SelvedgeError} `NOT_READY`, `QUEUE_FULL`, `TOO_MANY_REQUESTS` where a request would be refused now */
  admit(request: Pick<RequestMeta, 'endpoint' | 'caller' | 'timeoutMs'>): void
  /** Requests of the endpoint that wait or run. */
  waiting(endpoint: string): number
  /** Processes that were started in place of a dead one. */
  readonly restarts: number
  /**
   * @throws {@link SelvedgeError} as {@link Scorers.admit}, and `SCORER_DIED`, `DEADLINE_EXCEEDED`; what the scorer itself
   * refuses is an answer
   */
  ask(
    type: 'infer' | 'score',
    meta: RequestMeta,
    body: readonly Uint8Array[],
    signal?: AbortSignal,
  ): Promise<ScoredAnswer>
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

const flushMs = 5000
const keptOutcomes = 10_000
/** Work that waits in one process before the next one gets some: batches are fuller, and nobody notices. */
const gatherMs = 1

export async function openScorers(options: PoolOptions): Promise<Scorers> {
  const { count, runMs = limits.runMs } = options
  const deaths = openDeaths()
  const costs = openCosts()
  const suspects = openSuspects<ScorerProcess>()
  const pool = await openPool(options, deaths)
  /** What is asked of a process, in ms of its work. */
  const loads = new Map<ScorerProcess, number>()
  const admission = openAdmission({ deaths, countOf, expectedMs, isAdopted: (name) => pool.plan(name) !== undefined })
  let outcomes: FrameMeta['outcome'][] = []
  let closed = false

  // The oldest of those that serve the newest plan, or the plan before; the others stand by, and one may be kept for suspects.
  function active(endpoint: string): ScorerProcess[] {
    const newest = pool.plan(endpoint)
    const able = pool.processes.filter((scorer) => scorer.plan(endpoint) !== undefined)
    const current = able.filter((scorer) => scorer.plan(endpoint) === newest)
    const usable = current.length > 0 ? current : able
    const kept = suspects.length === 0 ? undefined : (suspects.reserved ?? usable.at(-1))
    return usable.filter((scorer) => scorer !== kept).slice(0, countOf(endpoint))
  }

  /** Processes that answer requests of the endpoint. */
  function countOf(endpoint: string): number {
    const plan = pool.plan(endpoint)
    return plan === undefined ? count : scorersOf(plan, count)
  }

  function soonest(endpoint: string): ScorerProcess | undefined {
    let best: ScorerProcess | undefined
    for (const scorer of active(endpoint)) {
      const load = loadOf(scorer)
      if (load + costs.ms(endpoint) <= gatherMs && costs.ms(endpoint) > 0) return scorer
      if (best === undefined || isLessBusy(scorer, best)) best = scorer
    }
    return best
  }

  function isLessBusy(a: ScorerProcess, b: ScorerProcess): boolean {
    const [loadA, loadB] = [loadOf(a), loadOf(b)]
    return loadA === loadB ? a.busy < b.busy : loadA < loadB
  }

  function loadOf(scorer: ScorerProcess): number {
    return loads.get(scorer) ?? 0
  }

  function expectedMs(endpoint: string): number {
    const scorer = soonest(endpoint)
    return (scorer === undefined ? 0 : loadOf(scorer)) + costs.ms(endpoint)
  }

  /** @param until - moment of `performance.now()` */
  async function waitFor(find: () => ScorerProcess | undefined, until: number): Promise<ScorerProcess> {
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (closed) throw new SelvedgeError('HOST_CLOSED', 'the host was closed')
      if (deaths.respawnMs() > 0) throw new SelvedgeError('SCORER_DIED', 'no scorer process stays alive')
      const leftMs = until - performance.now()
      if (leftMs <= 0) throw new SelvedgeError('DEADLINE_EXCEEDED', 'no scorer process was there in time')
      const changed = Promise.race([pool.changed(), suspects.changed()])
      const late = new AbortController()
      await Promise.race([changed, sleep(leftMs, undefined, { signal: late.signal }).catch(() => undefined)])
      late.abort()
    }
  }

  async function askOne(scorer: ScorerProcess, request: Request): Promise<ScoredAnswer> {
    const { type, meta, body, signal, until } = request
    const cost = costs.ms(meta.endpoint)
    loads.set(scorer, loadOf(scorer) + cost)
    try {
      const answer = await scorer.ask(type, meta, body, { spanMs: until - performance.now(), signal })
      if (answer.by !== undefined) costs.add(meta.endpoint, answer.by.computeMs, answer.by.batch.requests)
      return answer
    } finally {
      const left = loadOf(scorer) - cost
      if (scorer.busy === 0) loads.delete(scorer)
      else loads.set(scorer, left)
    }
  }

  async function askTwice(request: Request): Promise<ScoredAnswer> {
    const { until } = request
    const { endpoint } = request.meta
    const first = soonest(endpoint) ?? (await waitFor(() => soonest(endpoint), until))
    try {
      return await askOne(first, request)
    } catch (thrown) {
      if (!isDeath(thrown) || closed) throw thrown
      const idle = () => pool.processes.findLast((each) => each.plan(endpoint) !== undefined && each.busy === 0)
      return await suspects.run({
        find: () => waitFor(idle, until),
        ask: (scorer) => askOne(scorer, request),
        guilty: () => deaths.add(endpoint),
      })
    }
  }

  // Any process reports it: the registry joins it to the exposure by the unit alone.
  function keep(outcome: FrameMeta['outcome']): void {
    const [scorer] = active(outcome.endpoint)
    if (scorer !== undefined) scorer.outcome(outcome)
    else if (outcomes.length < keptOutcomes) outcomes.push(outcome)
    else throw new SelvedgeError('NOT_READY', `${outcomes.length} outcomes wait for a scorer process already`)
  }

  // A process is there for those that came while none was.
  async function keepLate(): Promise<void> {
    while (!closed) {
      await pool.changed()
      if (outcomes.length > 0) for (const outcome of outcomes.splice(0)) keep(outcome)
    }
  }

  async function flush(): Promise<boolean> {
    const flushed = await Promise.allSettled(pool.processes.map((scorer) => scorer.flush()))
    return outcomes.length === 0 && flushed.every((each) => each.status === 'fulfilled' && each.value)
  }

  void keepLate()
  return {
    async serve(plan, load) {
      await pool.serve(plan, load)
      costs.forget(plan.endpoint)
    },
    async withdraw(endpoint) {
      outcomes = outcomes.filter((outcome) => outcome.endpoint !== endpoint)
      costs.forget(endpoint)
      await pool.withdraw(endpoint)
    },
    isReady: (endpoint) => deaths.asideMs(endpoint) === 0 && soonest(endpoint) !== undefined,
    admit: admission.check,
    waiting: admission.waiting,
    get restarts() {
      return pool.restarts
    },
    async ask(type, meta, body, signal) {
      admission.check(meta)
      const until = performance.now() + Math.min(runMs, meta.timeoutMs ?? runMs)
      const answer = await admission.during(meta, () => askTwice({ type, meta, body, signal, until }))
      // Whoever answers has read all of it; only after a failure may some be on its way still.
      for (const piece of body) releaseAlone(piece)
      return answer
    },
    outcome: keep,
    async count(endpoint) {
      const counts = await Promise.all(pool.processes.map((scorer) => scorer.count(endpoint)))
      const [newest] = counts.toSorted((a, b) => (b.at ?? '').localeCompare(a.at ?? ''))
      return {
        rows: counts.reduce((sum, { rows }) => sum + rows, 0),
        dropped: counts.reduce((sum, { dropped }) => sum + dropped, 0),
        at: newest?.at,
        profiles: newest?.profiles ?? [],
      }
    },
    flush,
    get processes() {
      return pool.processes
    },
    async close() {
      closed = true
      await pool.close(() => Promise.race([flush(), sleep(flushMs, undefined, { ref: false })]))
    },
  }
}

interface Request {
  type: 'infer' | 'score'
  meta: RequestMeta
  body: readonly Uint8Array[]
  signal: AbortSignal | undefined
  /** Moment of `performance.now()` by which it must be answered. */
  until: number
}
