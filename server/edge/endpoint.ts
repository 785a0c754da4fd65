/** One endpoint in an isolate: its plan, asked for by the requests that come; its scorer; its reports. */
import type { Plan } from '../../runtime/contract/plan.ts'
import { loadDeployment } from '../../runtime/delivery/loader.ts'
import { orAborted } from '../../runtime/delivery/transfer.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { limits } from '../../runtime/limits.ts'
import { asFailure, openPlanSource } from '../../runtime/plan/plan-source.ts'
import type { Queue } from '../../runtime/scoring/queue.ts'
import { openScorer, type Scorer } from '../../runtime/scoring/scorer.ts'
import type { OpenSession } from '../../runtime/scoring/session.ts'
import { openPost } from '../../runtime/telemetry/post.ts'
import { openFlusher } from '../../runtime/telemetry/reporter.ts'
import type { EdgeCache } from './cache.ts'
import type { Ceiling } from './ceiling.ts'
import { type Clock, withLatency } from './clock.ts'
import { openShared } from './shared.ts'

export interface EndpointOptions {
  registry: string
  endpoint: string
  token: string | undefined
  keys: readonly string[]
  cache: EdgeCache
  clock: Clock
  openSession: OpenSession
  /** One for the isolate, which has one thread. */
  queue: Queue
  ceiling: Ceiling
  warn(event: string, error: unknown): void
}

export interface EdgeEndpoint {
  readonly scorer: Scorer
  /** What kept it from the newest plan. */
  readonly failure: SelvedgeError | undefined
  /** A question to the registry that is under way. */
  readonly refreshing: Promise<void> | undefined
  /** Asks the registry where nobody did lately; settles when what came is in force. Never rejects. */
  refresh(): Promise<void>
  /** Posts what is counted by the end of a pause that no other request keeps; settles behind it. Never rejects. */
  report(): Promise<void>
}

/** As a plan may be cached for. */
const refreshMs = 5000
/** A platform keeps what is behind an answer for 30 s: the pause and the post must fit. */
const longestPauseMs = 15_000
const postMs = 10_000

export function openEndpoint(options: EndpointOptions): EdgeEndpoint {
  const { registry, endpoint, token, cache, clock, openSession, queue, ceiling, warn } = options
  const scorer = openScorer({ device: 'edge', openSession, queueOf: () => queue, providers: ['wasm'] })
  const refreshing = openShared(limits.loadMs)
  const pausing = openShared(limits.loadMs)
  let askedAt = 0
  let failure: SelvedgeError | undefined

  const unkept = (thrown: unknown) => warn('not kept in the cache', thrown)

  async function adopt(plan: Plan, jws: string): Promise<void> {
    const giveBack = ceiling.claim(plan)
    try {
      const missing = plan.deployments.filter((deployment) => !scorer.holds(deployment))
      const load = { plan, providers: ['wasm'] as const, store: cache, token, unkept }
      await scorer.serve(plan, await Promise.all(missing.map((deployment) => loadDeployment(deployment, load))))
    } catch (error) {
      giveBack()
      throw error
    }
    await cache.writePlan(registry, endpoint, jws).catch(unkept)
  }

  const source = openPlanSource({ registry, endpoint, token, keys: options.keys, adopt })

  async function poll(): Promise<void> {
    try {
      await source.poll(false, AbortSignal.timeout(limits.jsonTimeoutMs))
    } catch (thrown) {
      // Isolates before this one kept it, for a start without the registry.
      const isGone = thrown instanceof SelvedgeError && thrown.code === 'REGISTRY_UNREACHABLE'
      const held = source.plan === undefined && isGone ? await cache.readPlan(registry, endpoint) : undefined
      if (held === undefined) throw thrown
      await source.adoptHeld(held)
    }
  }

  async function refresh(): Promise<void> {
    try {
      await poll()
      failure = undefined
    } catch (thrown) {
      failure = asFailure(thrown)
      warn(`plan of ${endpoint} not adopted`, thrown)
    }
    askedAt = Date.now()
  }

  const postReport = openPost(token)
  const flusher = openFlusher({
    plan: () => source.plan,
    tally: scorer.tally,
    units: scorer.units,
    async post(report) {
      const url = source.plan?.telemetry.url
      if (url === undefined) throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
      await orAborted(postReport(url, withLatency(report, clock)), AbortSignal.timeout(postMs))
    },
    failed: (error) => warn(`report of ${endpoint} not sent`, error),
  })

  return {
    scorer,
    get failure() {
      return failure
    },
    get refreshing() {
      return refreshing.running
    },
    async refresh() {
      if (Date.now() - askedAt >= refreshMs) await refreshing.begin(refresh)
    },
    async report() {
      const pauseMs = Math.min(source.plan?.telemetry.intervalMs ?? 0, longestPauseMs)
      const pause = pausing.begin(() => new Promise((resolve) => setTimeout(resolve, pauseMs)))
      if (pause === undefined) return
      await pause
      await flusher.flush()
    },
  }
}
