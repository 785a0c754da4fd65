/** Following the Plan of one endpoint: long poll, verify, adopt; a lost connection costs latency only. */
import { digestOf } from './bytes.ts'
import type { Plan } from './contract/plan.ts'
import { type ErrorCode, errorTable, SelvedgeError } from './errors.ts'
import { limits } from './limits.ts'
import { checkAdoptable, checkEndpoint, verifyPlan } from './plan.ts'

export interface FollowOptions {
  /** Base address of the registry. */
  registry: string
  endpoint: string
  token?: string | undefined
  /** Pinned keys, `ed25519:<base64url>`. A verified plan may name the next ones. */
  keys: readonly string[]
  /** The signed plan that this host held when it ended, for a start without network. */
  held?: string | undefined
  /** Loads what the plan names and switches to it; when it throws, the plan before goes on and this one is tried again. */
  adopt(plan: Plan, jws: string): Promise<void>
  /** Told of every failure; the follower goes on by itself. */
  failed(error: SelvedgeError): void
}

export interface Follower {
  /** Settles with the first plan adopted, or rejects with the first failure while none is; following goes on. */
  readonly ready: Promise<void>
  readonly plan: Plan | undefined
  /** When the registry answered last, in ms since 1970. */
  readonly contactAt: number | undefined
  close(): void
}

const firstPauseMs = 500
const longestPauseMs = 30_000

export function followPlan(options: FollowOptions): Follower {
  const stop = new AbortController()
  let plan: Plan | undefined
  let etag: string | undefined
  let contactAt: number | undefined

  async function adopt(jws: string): Promise<void> {
    const next = await verifyPlan(jws, [...options.keys, ...(plan?.nextKeys ?? [])])
    checkAdoptable(next, options.endpoint, plan, Date.now())
    if (isSame(next, plan)) return
    await options.adopt(next, jws)
    plan = next
    etag = await etagOf(jws)
  }

  // An expired plan is not adopted from the network, but the one held before is served on.
  async function adoptHeld(jws: string): Promise<void> {
    const held = await verifyPlan(jws, options.keys)
    checkEndpoint(held, options.endpoint)
    await options.adopt(held, jws)
    plan = held
    etag = await etagOf(jws)
  }

  async function poll(): Promise<void> {
    const response = await requestPlan(options, plan, etag, stop.signal)
    contactAt = Date.now()
    if (response.status === 304) return
    if (!response.ok) throw await refusal(response, options.endpoint)
    await adopt(await response.text())
  }

  async function follow(first: { resolve(): void; reject(error: SelvedgeError): void }): Promise<void> {
    let pauseMs = firstPauseMs
    while (!stop.signal.aborted) {
      try {
        const before = plan
        await poll()
        if (plan !== undefined) first.resolve()
        pauseMs = firstPauseMs
        if (isSame(plan, before)) await pause(firstPauseMs, stop.signal)
      } catch (thrown) {
        if (stop.signal.aborted) return
        const error = asFailure(thrown)
        first.reject(error)
        options.failed(error)
        await pause(pauseMs * (0.75 + Math.random() / 2), stop.signal)
        pauseMs = Math.min(pauseMs * 2, longestPauseMs)
      }
    }
  }

  const ready = new Promise<void>((resolve, reject) => {
    const start = async () => {
      if (options.held !== undefined) {
        await adoptHeld(options.held).then(resolve, (thrown) => options.failed(asFailure(thrown)))
      }
      await follow({ resolve, reject })
    }
    void start()
  })
  // Whoever follows for ever may leave `ready` alone; failures reach it through `failed`.
  ready.catch(() => undefined)

  return {
    ready,
    get plan() {
      return plan
    },
    get contactAt() {
      return contactAt
    },
    close: () => stop.abort(new SelvedgeError('HOST_CLOSED', `following ${options.endpoint} ended`)),
  }
}

// The registry's own: a plan that it signs anew has another, at the same revision.
async function etagOf(jws: string): Promise<string> {
  return `"${await digestOf(new TextEncoder().encode(jws))}"`
}

// A registry holds a poll until there is news; a cache in between may answer at once, for ever.
function isSame(plan: Plan | undefined, before: Plan | undefined): boolean {
  return plan?.revision === before?.revision && plan?.issuedAt === before?.issuedAt
}

async function requestPlan(
  { registry, endpoint, token }: FollowOptions,
  plan: Plan | undefined,
  etag: string | undefined,
  signal: AbortSignal,
): Promise<Response> {
  const url = new URL(`api/v1/endpoints/${endpoint}/plan`, registry.endsWith('/') ? registry : `${registry}/`)
  const wait = plan === undefined ? '' : `?wait=${limits.longPollMs / 1000}&after=${plan.revision}`
  const headers: Record<string, string> = {}
  if (token !== undefined) headers.authorization = `Bearer ${token}`
  if (etag !== undefined) headers['if-none-match'] = etag
  // A connection that died silently would hold the poll for ever.
  const deadline = AbortSignal.timeout(limits.longPollMs + 10_000)
  try {
    return await fetch(url.href + wait, { headers, signal: AbortSignal.any([signal, deadline]) })
  } catch (cause) {
    throw new SelvedgeError('REGISTRY_UNREACHABLE', `no answer from ${registry}`, {}, { cause })
  }
}

async function refusal(response: Response, endpoint: string): Promise<SelvedgeError> {
  // A proxy in between answers with something other than problem+json; the status then says it all.
  const problem = await response.json().catch(() => undefined)
  const { type, detail } = (problem ?? {}) as { type?: unknown; detail?: unknown }
  if (typeof type === 'string' && Object.hasOwn(errorTable, type)) {
    return new SelvedgeError(type as ErrorCode, typeof detail === 'string' ? detail : `plan of ${endpoint} refused`)
  }
  return new SelvedgeError(
    'REGISTRY_UNREACHABLE',
    `the plan of ${endpoint} was answered with status ${response.status}`,
  )
}

// A fault of ours while a plan was adopted; its cause is for the log.
function asFailure(thrown: unknown): SelvedgeError {
  if (thrown instanceof SelvedgeError) return thrown
  return new SelvedgeError('INTERNAL', 'the plan could not be adopted', {}, { cause: thrown })
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
