/** Plan source: the plan of one endpoint as a host holds it, asked for, verified and adopted one at a time. */
import { digestOf } from '../bytes.ts'
import type { Plan } from '../contract/plan.ts'
import { type ErrorCode, errorTable, SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import { checkAdoptable, checkEndpoint, verifyPlan } from './plan.ts'

export interface PlanSourceOptions {
  /** Base address of the registry. */
  registry: string
  endpoint: string
  token?: string | undefined
  /** Pinned keys, `ed25519:<base64url>`. A verified plan may name the next ones. */
  keys: readonly string[]
  /** Loads what the plan names and switches to it; when it throws, the plan before goes on and this one is tried again. */
  adopt(plan: Plan, jws: string): Promise<void>
}

export interface PlanSource {
  readonly plan: Plan | undefined
  /** When the registry answered last, in ms since 1970. */
  readonly contactAt: number | undefined
  /**
   * Asks once, and adopts what is new.
   *
   * @param waits - whether the registry may hold the question until there is news, up to `limits.longPollMs`
   * @throws {@link SelvedgeError} `REGISTRY_UNREACHABLE`, what the registry refuses with, `PLAN_SIGNATURE`,
   * `PLAN_INVALID`, `PLAN_REVISION_OLD`, `PLAN_EXPIRED`, and what `adopt` throws
   */
  poll(waits: boolean, signal: AbortSignal): Promise<void>
  /**
   * Adopts the plan that this host held when it ended, also when it has expired since.
   *
   * @throws {@link SelvedgeError} `PLAN_SIGNATURE`, `PLAN_INVALID`, and what `adopt` throws
   */
  adoptHeld(jws: string): Promise<void>
}

export function openPlanSource(options: PlanSourceOptions): PlanSource {
  let plan: Plan | undefined
  let etag: string | undefined
  let contactAt: number | undefined

  async function hold(next: Plan, jws: string): Promise<void> {
    await options.adopt(next, jws)
    plan = next
    etag = await etagOf(jws)
  }

  return {
    get plan() {
      return plan
    },
    get contactAt() {
      return contactAt
    },
    async poll(waits, signal) {
      const response = await requestPlan(options, waits ? plan : undefined, etag, signal)
      contactAt = Date.now()
      if (response.status === 304) return
      if (!response.ok) throw await refusal(response, options.endpoint)
      const jws = await response.text()
      const next = await verifyPlan(jws, [...options.keys, ...(plan?.nextKeys ?? [])])
      checkAdoptable(next, options.endpoint, plan, Date.now())
      if (!isSamePlan(next, plan)) await hold(next, jws)
    },
    // An expired plan is not adopted from the network, but the one held before is served on.
    async adoptHeld(jws) {
      const held = await verifyPlan(jws, options.keys)
      checkEndpoint(held, options.endpoint)
      await hold(held, jws)
    },
  }
}

export function isSamePlan(plan: Plan | undefined, before: Plan | undefined): boolean {
  return plan?.revision === before?.revision && plan?.issuedAt === before?.issuedAt
}

/** A fault of ours while a plan was adopted becomes `INTERNAL`; its cause is for the log. */
export function asFailure(thrown: unknown): SelvedgeError {
  if (thrown instanceof SelvedgeError) return thrown
  return new SelvedgeError('INTERNAL', 'the plan could not be adopted', {}, { cause: thrown })
}

// The registry's own: a plan that it signs anew has another, at the same revision.
async function etagOf(jws: string): Promise<string> {
  return `"${await digestOf(new TextEncoder().encode(jws))}"`
}

async function requestPlan(
  { registry, endpoint, token }: PlanSourceOptions,
  waitPast: Plan | undefined,
  etag: string | undefined,
  signal: AbortSignal,
): Promise<Response> {
  const url = new URL(`api/v1/endpoints/${endpoint}/plan`, registry.endsWith('/') ? registry : `${registry}/`)
  const wait = waitPast === undefined ? '' : `?wait=${limits.longPollMs / 1000}&after=${waitPast.revision}`
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
