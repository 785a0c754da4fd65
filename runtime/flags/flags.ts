/** Flags of some endpoints: what OpenFeature's web and server SDK each make a provider of. */

import { checkOutcome } from '../assignment/units.ts'
import type { Attributes } from '../contract/audience.ts'
import { type ErrorCode, SelvedgeError } from '../errors.ts'
import { isExpired } from '../plan/plan.ts'
import { type EndpointOptions, type FlagEndpoint, openEndpoint } from './endpoint.ts'
import { type DeploymentValue, type FlagReason, flagOf } from './flag.ts'

export interface FlagOptions {
  /** Their names are the keys of the flags. */
  endpoints: readonly string[]
  /** Needed where the registry has tokens; in a page always a `page` token. */
  token?: string | undefined
  /** The key whose signature a plan must bear, `ed25519:…`, as `selvedge up` prints it; several while keys rotate. */
  key: string | readonly string[]
}

export interface FlagsOptions extends FlagOptions, Omit<EndpointOptions, 'token' | 'keys'> {
  /** The signed plan that was held last, for a start without the registry. */
  readPlan(endpoint: string): Promise<string | undefined>
  /** Told of each new plan once {@link Flags.ready} has settled. */
  changed(endpoint: string): void
  /** All plans are in force, and were not before. */
  recovered(): void
  /** Plans have expired and are gone by. */
  stale(): void
}

/** What OpenFeature knows of whom a flag is for; what is no text, number or boolean is left out. */
export type FlagContext = Readonly<Record<string, unknown>> & { readonly targetingKey?: string }

/** Fields of OpenFeature's resolution details; where it has no value the caller's default stands. */
export type Resolution =
  | { value: DeploymentValue; variant: string; reason: FlagReason; flagMetadata: { revision: number } }
  | { reason: 'DISABLED' }
  | { reason: 'ERROR'; errorCode: 'FLAG_NOT_FOUND' | 'PROVIDER_NOT_READY' | 'TYPE_MISMATCH'; errorMessage: string }

export interface Flags {
  /** Settles once each endpoint has its first plan or a failure, with which it rejects; following goes on. */
  readonly ready: Promise<void>
  /** The deployment of the targeting key, which counts as exposed to it; without one that of a random place of the split. */
  resolve(key: string, context: FlagContext): Resolution
  /** For a flag that is asked for as another type than an object. */
  mismatch(key: string): Resolution
  /**
   * An outcome of the targeting key at each endpoint: `details.value`, or true, under the event's name, and further texts,
   * numbers and booleans under `<name>.<field>`.
   *
   * @throws {@link SelvedgeError} `INVALID_REQUEST` without a targeting key, and for what no outcome can hold
   */
  track(name: string, context: FlagContext, details: Readonly<Record<string, unknown>>): void
  /** Tells once more that plans are stale, where they are: an SDK forgets it when the context changes. */
  repeatStale(): void
  /** @param leaving - as of a reporter */
  flush(leaving: boolean): Promise<void>
  /** Reports once more. */
  close(): Promise<void>
}

// Timers wrap past 2^31 ms.
const longestTimerMs = 24 * 3600_000

export async function openFlags(options: FlagsOptions): Promise<Flags> {
  const keys = typeof options.key === 'string' ? [options.key] : options.key
  const endpoints = new Map<string, FlagEndpoint>()
  /** Silent until the start is over, and again once it is closed. */
  let state: 'silent' | 'error' | 'stale' | 'ready' = 'silent'
  let timer: ReturnType<typeof setTimeout> | undefined

  await Promise.all(
    Array.from(new Set(options.endpoints), async (name) => {
      const held = (await options.readPlan(name).catch(options.failed)) ?? undefined
      const adopted = (isNew: boolean) => {
        if (isNew && state !== 'silent') options.changed(name)
        update()
      }
      endpoints.set(name, openEndpoint(name, held, adopted, { ...options, token: options.token, keys }))
    }),
  )
  const ready = settled(Array.from(endpoints.values(), (each) => each.ready))
  // An SDK says by itself what became of the start, and takes what was said before for outdated.
  ready.then(
    () => start('ready'),
    () => start('error'),
  )

  function start(told: 'ready' | 'error'): void {
    timer = setTimeout(() => {
      state = told
      update()
    }, 0)
  }

  function update(): void {
    if (state === 'silent') return
    clearTimeout(timer)
    const now = Date.now()
    const plans = Array.from(endpoints.values(), ({ plan }) => plan)
    const valid = plans.flatMap((plan) => (plan === undefined || isExpired(plan, now) ? [] : [plan]))
    const lifeMs = Math.min(longestTimerMs, ...valid.map(({ expiresAt }) => Date.parse(expiresAt) - now))
    if (valid.length > 0) timer = setTimeout(update, lifeMs)
    const before = state
    state = plans.includes(undefined) ? 'error' : valid.length < plans.length ? 'stale' : 'ready'
    if (state === before) return
    if (state === 'stale') options.stale()
    if (state === 'ready') options.recovered()
  }

  return {
    ready,
    resolve(key, context) {
      const found = endpoints.get(key)
      if (found === undefined) return unknownFlag(key)
      const { plan, units } = found
      if (plan === undefined) return notReady(key, found)
      const unit = unitOf(context)
      const flag = flagOf(plan, { unit, attributes: attributesOf(context) }, Date.now())
      if (flag === undefined) return { reason: 'DISABLED' }
      const { value, reason, isBySplit } = flag
      if (isBySplit && unit !== undefined) units.exposed(unit, value.deployment, plan)
      return { value, variant: value.deployment, reason, flagMetadata: { revision: plan.revision } }
    },
    mismatch(key) {
      if (!endpoints.has(key)) return unknownFlag(key)
      const errorMessage = `${key} is the deployment of an endpoint: ask for an object`
      return { reason: 'ERROR', errorCode: 'TYPE_MISMATCH', errorMessage }
    },
    track(name, context, details) {
      const unit = unitOf(context)
      if (unit === undefined)
        throw new SelvedgeError('INVALID_REQUEST', `"${name}" needs a targeting key: an outcome is of a unit`)
      const values = outcomeOf(name, details)
      for (const { units } of endpoints.values()) units.outcome(unit, values)
    },
    repeatStale() {
      if (state === 'stale') options.stale()
    },
    async flush(leaving) {
      await Promise.all(Array.from(endpoints.values(), (each) => each.flush(leaving)))
    },
    async close() {
      clearTimeout(timer)
      state = 'silent'
      await Promise.all(Array.from(endpoints.values(), (each) => each.close()))
    },
  }
}

async function settled(starts: readonly Promise<void>[]): Promise<void> {
  await Promise.allSettled(starts)
  await Promise.all(starts)
}

// Some applications say "nobody" so; they would all be one unit.
function unitOf({ targetingKey }: FlagContext): string | undefined {
  return targetingKey === '' ? undefined : targetingKey
}

function attributesOf({ targetingKey: _, ...rest }: FlagContext): Attributes {
  return plainOf(rest)
}

function plainOf(fields: Readonly<Record<string, unknown>>): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [[name, value]] : [],
    ),
  )
}

/** Whether a start that failed so cannot succeed later. */
export function isFatal(error: unknown): boolean {
  return error instanceof SelvedgeError && fatal.has(error.code)
}

const fatal: ReadonlySet<ErrorCode> = new Set(['INSECURE_CONTEXT', 'NO_ED25519', 'PLAN_SIGNATURE'])

function outcomeOf(name: string, { value = true, ...rest }: Readonly<Record<string, unknown>>) {
  const further = Object.entries(plainOf(rest)).map(([field, each]) => [`${name}.${field}`, each])
  return checkOutcome({ [name]: value, ...Object.fromEntries(further) })
}

export const unready: Resolution = {
  reason: 'ERROR',
  errorCode: 'PROVIDER_NOT_READY',
  errorMessage: 'the provider was not initialized',
}

function unknownFlag(key: string): Resolution {
  return { reason: 'ERROR', errorCode: 'FLAG_NOT_FOUND', errorMessage: `this provider has no endpoint "${key}"` }
}

function notReady(key: string, { failure }: FlagEndpoint): Resolution {
  const errorCode = failure?.code === 'ENDPOINT_UNKNOWN' ? 'FLAG_NOT_FOUND' : 'PROVIDER_NOT_READY'
  return {
    reason: 'ERROR',
    errorCode,
    errorMessage: `no plan of ${key} yet: ${failure?.message ?? 'it is on its way'}`,
  }
}
