/**
 * The pool of scorer processes: a dead one is replaced, each loads the plans in force that are for it, and a plan is
 * tried out before any that serves loads it.
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
import { planWith } from '../runtime/plan/plan.ts'
import type { Deaths } from './deaths.ts'
import { errorFields, type Log } from './log.ts'
import { openScorerProcess, type ScorerProcess } from './scorer-process.ts'
import { isDeath } from './suspects.ts'
import { type Load, openTrials } from './trials.ts'

export interface PoolOptions {
  /** Processes that answer. */
  count: number
  /** Whether one more waits, loaded, to take the place of one that dies. */
  standby: boolean
  /** Restricts the execution providers. */
  providers?: readonly ExecutionProvider[] | undefined
  /** The longest that a run may take, in ms; `limits.runMs` where absent. */
  runMs?: number | undefined
  post(report: TelemetryReport): Promise<void>
  log: Log
}

export interface Pool {
  /** The oldest first. */
  readonly processes: readonly ScorerProcess[]
  /** Processes that were started in place of a dead one. */
  readonly restarts: number
  /** The plan in force. */
  plan(endpoint: string): Plan | undefined
  /** Settles when a process next is able to do more than before, or dies. */
  changed(): Promise<void>
  /**
   * Switches to a plan: settles once one process serves it; the others follow. What no process holds yet is tried out in
   * a spare one first. Where a plan is refused, the plan before goes on in all.
   *
   * @param load - called again for every process that replaces a dead one
   * @throws {@link SelvedgeError} what `load` or the scorer refused with, `SCORER_DIED` where the plan kills what loads it
   */
  serve(plan: Plan, load: Load): Promise<void>
  withdraw(endpoint: string): Promise<void>
  /** Runs `last`, then ends every process. */
  close(last: () => Promise<unknown>): Promise<void>
}

interface Adopted {
  plan: Plan
  load: Load
}

const firstRetryMs = 500
const longestRetryMs = 30_000
const mostCrashes = 3

/** How many of so many processes load a plan: the most that one of its deployments asks for. */
export function scorersOf({ deployments }: Plan, count: number): number {
  const asked = deployments.map(({ resources }) => resources?.scorers ?? count)
  return asked.length === 0 ? count : Math.min(count, Math.max(...asked))
}

export async function openPool(options: PoolOptions, deaths: Deaths): Promise<Pool> {
  const { log } = options
  const cwd = await mkdtemp(join(tmpdir(), 'selvedge-scorer-'))
  const adopted = new Map<string, Adopted>()
  /** By endpoint, the plan that killed processes while they loaded it. */
  const crashes = new Map<string, { revision: number; times: number }>()
  const closing = new AbortController()
  const processes = new Set<ScorerProcess>()
  const loading = new WeakMap<ScorerProcess, Set<Plan>>()
  const trials = openTrials(openProcess)
  let restarts = 0
  let change = Promise.withResolvers<void>()
  const size = options.count + Number(options.standby)
  const slots = Array.from({ length: size }, keepOne)

  function openProcess(): Promise<ScorerProcess> {
    return openScorerProcess({ ...options, runMs: options.runMs ?? limits.runMs, cwd })
  }

  function tellChange(): void {
    change.resolve()
    change = Promise.withResolvers()
  }

  async function keepOne(): Promise<void> {
    while (!closing.signal.aborted) {
      const scorer = await openProcess()
      processes.add(scorer)
      if (closing.signal.aborted) scorer.kill('the host closes')
      scorer.ready.then(tellChange, () => undefined)
      share()
      const { how, loading: loaded, suspect, isStuck } = await scorer.ended
      processes.delete(scorer)
      tellChange()
      if (closing.signal.aborted) return
      restarts++
      if (loaded !== undefined) {
        crashes.set(loaded.endpoint, { revision: loaded.revision, times: crashed(loaded) + 1 })
      }
      // Who killed a process at work shows when its requests are asked once more.
      else if (isStuck || suspect === undefined) deaths.add(suspect)
      log('error', 'scorer died', { pid: scorer.pid, how, endpoint: loaded?.endpoint ?? suspect })
      share()
      await pause(deaths.respawnMs())
    }
  }

  /** Each process gets the plans that are for it, and lets go of others once those for which they are have them. */
  function share(): void {
    if (closing.signal.aborted) return
    for (const wanted of adopted.values()) {
      const { plan } = wanted
      const holders = holdersOf(plan)
      for (const scorer of holders) void holdOn(scorer, wanted)
      if (processes.size < size || !holders.every((scorer) => scorer.plan(plan.endpoint) === plan)) continue
      for (const scorer of processes) {
        if (holders.includes(scorer) || scorer.plan(plan.endpoint) === undefined) continue
        // One that dies meanwhile holds nothing either.
        scorer.withdraw(plan.endpoint).catch(() => undefined)
      }
    }
  }

  /** The processes that load a plan: as many as its resources say, those that hold it first, and the one that stands by. */
  function holdersOf(plan: Plan): ScorerProcess[] {
    const all = [...processes]
    const standby = options.standby && all.length === size ? all.splice(-1) : []
    const able = all.toSorted((a, b) => rankOf(a, plan) - rankOf(b, plan))
    return [...able.slice(0, scorersOf(plan, options.count)), ...standby]
  }

  function rankOf(scorer: ScorerProcess, { endpoint }: Plan): number {
    if (scorer.plan(endpoint) !== undefined) return 0
    return loadingOn(scorer).some((plan) => plan.endpoint === endpoint) ? 1 : 2 + burdenOf(scorer)
  }

  // Endpoints that want few processes are spread over them.
  function burdenOf(scorer: ScorerProcess): number {
    const held = Array.from(adopted.values(), ({ plan }) => plan).filter((plan) => scorer.plan(plan.endpoint))
    const few = [...held, ...loadingOn(scorer)].filter((plan) => scorersOf(plan, options.count) < options.count)
    return new Set(few.map(({ endpoint }) => endpoint)).size
  }

  function loadingOn(scorer: ScorerProcess): Plan[] {
    return [...(loading.get(scorer) ?? [])]
  }

  async function whileLoading(scorer: ScorerProcess, plan: Plan, task: () => Promise<void>): Promise<void> {
    const plans = loading.get(scorer) ?? new Set()
    loading.set(scorer, plans.add(plan))
    await task().finally(() => plans.delete(plan))
  }

  // Until it holds the plan or a newer one is wanted: blobs may be out of reach for a while.
  async function holdOn(scorer: ScorerProcess, wanted: Adopted): Promise<void> {
    const { plan } = wanted
    if (scorer.plan(plan.endpoint) === plan || loadingOn(scorer).includes(plan)) return
    await whileLoading(scorer, plan, () => holdAtLast(scorer, wanted))
    share()
  }

  async function holdAtLast(scorer: ScorerProcess, wanted: Adopted): Promise<void> {
    const { plan } = wanted
    const isWanted = () =>
      adopted.get(plan.endpoint) === wanted && holdersOf(plan).includes(scorer) && !closing.signal.aborted
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
    tellChange()
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
    await trials.run(planWith(plan, fresh), load)
  }

  async function serveFirst(wanted: Adopted): Promise<void> {
    let failure: unknown
    const ready = await readyProcesses()
    const holders = holdersOf(wanted.plan)
    for (const scorer of ready.toSorted((a, b) => Number(holders.includes(b)) - Number(holders.includes(a)))) {
      try {
        await whileLoading(scorer, wanted.plan, () => serveOn(scorer, wanted))
        return
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
      const changed = change.promise
      const known = [...processes]
      const isReady = new Set<ScorerProcess>()
      const all = known.map((scorer) => scorer.ready.then(() => isReady.add(scorer)))
      await Promise.any(all).catch(() => undefined)
      if (isReady.size > 0) return known.filter((scorer) => isReady.has(scorer))
      if (deaths.respawnMs() > 0) throw new SelvedgeError('SCORER_DIED', 'no scorer process stays alive')
      await changed
    }
  }

  async function pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: closing.signal }).catch(() => undefined)
  }

  return {
    get processes() {
      return [...processes]
    },
    get restarts() {
      return restarts
    },
    plan: (endpoint) => adopted.get(endpoint)?.plan,
    changed: () => change.promise,
    async serve(plan, load) {
      const wanted = { plan, load }
      await tryOut(wanted)
      await serveFirst(wanted)
      adopted.set(plan.endpoint, wanted)
      deaths.forgive(plan.endpoint)
      tellChange()
      share()
    },
    async withdraw(endpoint) {
      adopted.delete(endpoint)
      tellChange()
      await Promise.allSettled(Array.from(processes, (scorer) => scorer.withdraw(endpoint)))
    },
    async close(last) {
      closing.abort()
      trials.close()
      tellChange()
      await last()
      const leaving = [...processes]
      for (const scorer of leaving) scorer.kill('the host closes')
      await Promise.all([...slots, ...leaving.map(({ gone }) => gone)])
      await rm(cwd, { recursive: true, force: true })
    },
  }
}
