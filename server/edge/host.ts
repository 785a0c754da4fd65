/** The edge host: the endpoints of one isolate behind the same port as the scorer processes on Node. */
import { joinBytes } from '../../runtime/bytes.ts'
import { splitPercent } from '../../runtime/connection.ts'
import { encodeError, SelvedgeError } from '../../runtime/errors.ts'
import { answeringIn } from '../../runtime/plan/plan.ts'
import { openQueue } from '../../runtime/scoring/queue.ts'
import type { OpenSession } from '../../runtime/scoring/session.ts'
import { errorAnswer } from '../http-answer.ts'
import { answerInfer, answerScore } from '../scorer/answer.ts'
import type { EndpointState, Scoring } from '../scoring.ts'
import type { EdgeCache } from './cache.ts'
import { openCeiling } from './ceiling.ts'
import { openClock, withTiming } from './clock.ts'
import { type EdgeEndpoint, openEndpoint } from './endpoint.ts'

export interface EdgeHostOptions {
  registry: string
  token: string | undefined
  keys: readonly string[]
  endpoints: readonly string[]
  cache: EdgeCache
  openSession: OpenSession
  warn(event: string, error: unknown): void
}

export interface EdgeHost extends Scoring {
  /** Asks for plans where that is due and no other request does; settles when they are in force. Never rejects. */
  refresh(endpoints: readonly string[]): Promise<void>
  /** Settles when no request asks for a plan of these. */
  refreshed(endpoints: readonly string[]): Promise<void>
  /** Settles when no shadow of these is asked or waits to be. Never rejects. */
  shadowed(endpoints: readonly string[]): Promise<void>
  /** Posts what was counted where no other request does; settles behind it. Never rejects. */
  report(endpoints: readonly string[]): Promise<void>
}

export function openEdgeHost(options: EdgeHostOptions): EdgeHost {
  const { warn } = options
  const clock = openClock()
  const queue = openQueue()
  const running = new Map<string, number>()
  const opened = new Map<string, EdgeEndpoint>()

  const ceiling = openCeiling()
  for (const endpoint of options.endpoints) {
    opened.set(endpoint, openEndpoint({ ...options, endpoint, clock, queue, ceiling }))
  }

  function loaded(name: string): EdgeEndpoint {
    const found = opened.get(name)
    if (found?.scorer.plan !== undefined) return found
    throw found?.failure ?? new SelvedgeError('NOT_READY', `endpoint ${name} is not loaded yet`)
  }

  function move(endpoint: string, by: number): void {
    running.set(endpoint, (running.get(endpoint) ?? 0) + by)
  }

  return {
    endpoints: [...opened.keys()].sort(),
    endpoint: (name) => {
      const found = opened.get(name)
      return found && stateOf(found)
    },
    get isReady() {
      return [...opened.values()].some(({ scorer }) => scorer.plan !== undefined)
    },
    // A run cannot be ended from within the isolate that it keeps busy.
    guard: "the platform's limits of an isolate",
    providers: { present: ['wasm'], absent: {} },
    scorerCount: 1,
    restarts: 0,
    memory: [],
    waiting: (endpoint) => running.get(endpoint) ?? 0,
    admit: ({ endpoint }) => void loaded(endpoint),
    async ask(type, meta, body, signal = new AbortController().signal) {
      const { scorer } = loaded(meta.endpoint)
      move(meta.endpoint, 1)
      try {
        const answer = await (type === 'infer' ? answerInfer : answerScore)(scorer, meta, joinBytes(body), signal)
        return withTiming(answer, clock)
      } catch (thrown) {
        if (encodeError(thrown).code === 'INTERNAL') warn('request failed', thrown)
        return errorAnswer(thrown)
      } finally {
        move(meta.endpoint, -1)
      }
    },
    async refresh(endpoints) {
      await Promise.all(endpoints.map((name) => opened.get(name)?.refresh()))
    },
    async refreshed(endpoints) {
      await Promise.all(endpoints.map((name) => opened.get(name)?.refreshing))
    },
    async shadowed(endpoints) {
      await Promise.all(endpoints.map((name) => opened.get(name)?.scorer.shadowed()))
    },
    async report(endpoints) {
      await Promise.all(endpoints.map((name) => opened.get(name)?.report()))
    },
  }
}

function stateOf({ scorer }: EdgeEndpoint): EndpointState {
  const { plan } = scorer
  if (plan === undefined) return { isReady: false, revision: undefined, deployments: [] }
  const percent = splitPercent(plan.ranges)
  const deployments = answeringIn(plan)
    .map(({ name, version, resources }) => ({ name, version, resources, ...scorer.choose({ deployment: name }) }))
    .sort((a, b) => (percent[b.name] ?? 0) - (percent[a.name] ?? 0))
  return { isReady: true, revision: plan.revision, deployments }
}
