/** Signed plans: built from what the store holds, signed once a revision, signed anew at half their life. */
import { createHash } from 'node:crypto'
import type { Plan, PlanDeployment } from '../../runtime/contract/plan.ts'
import type { Resources } from '../../runtime/contract/resources.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import type { DeploymentState, EndpointState, Store } from '../store/store.ts'
import type { PlanKey } from './key.ts'
import { openWaiters, type Waiting } from './waiters.ts'

export interface SignedPlan {
  revision: number
  /** A compact JWS. */
  jws: string
  /** Of the signed bytes, in the quotes that HTTP wants. */
  etag: string
}

export interface Plans {
  /**
   * The plan in force.
   *
   * @param base - where the asking host reaches the registry, ending in a slash
   * @throws SelvedgeError `ENDPOINT_UNKNOWN`
   */
  signed(endpoint: string, base: string): Promise<SignedPlan>
  /** Watches for the next plan of the endpoint, changed or signed anew; begin before {@link Plans.signed} reads. */
  watch(endpoint: string, ms: number, signal: AbortSignal): Waiting
  /** How many watch now. */
  watching(): number
  /** Whether any plan in force names this blob of the model. */
  names(model: string, digest: string): Promise<boolean>
  changed(endpoint: string): void
  close(): void
}

export interface PlanOptions {
  store: Store
  key: PlanKey
  runtime: Plan['runtime']
  /** How often hosts report. */
  telemetryIntervalMs: number
  /** Until a plan expires. */
  lifeMs: number
  now(): number
}

interface Signing {
  revision: number
  issuedAt: number
  plan: Promise<SignedPlan>
}

// Bounded, since the address by which a host asks is the host's choice.
const keptPlans = 1000

export function openPlans(options: PlanOptions): Plans {
  const { store, now } = options
  // A start may bring other files of the runtime or another interval: what was signed before is signed anew.
  const startedAt = now()
  const waiters = openWaiters()
  const states = new Map<string, Promise<EndpointState>>()
  const plans = new Map<string, Signing>()
  let named: Promise<Set<string>> | undefined

  function state(endpoint: string): Promise<EndpointState> {
    const held = states.get(endpoint)
    if (held !== undefined) return held
    const reading = readState(store, endpoint)
    states.set(endpoint, reading)
    // Only what is there is remembered: a name that is not there is anyone's choice.
    reading.catch(() => forget(endpoint, reading))
    return reading
  }

  function forget(endpoint: string, reading: Promise<EndpointState> | undefined): void {
    if (states.get(endpoint) === reading) states.delete(endpoint)
  }

  async function current(endpoint: string): Promise<EndpointState> {
    const reading = state(endpoint)
    const found = await reading
    if (found.issuedAt >= startedAt && now() < found.issuedAt + options.lifeMs / 2) return found
    try {
      await store.endpoints.reissue(endpoint, found.issuedAt, now())
    } catch (thrown) {
      // Hosts go on with what they have: a full disk is no reason to refuse a plan that holds for hours.
      const isFull = thrown instanceof SelvedgeError && thrown.code === 'STORAGE_FULL'
      if (isFull && now() < found.issuedAt + options.lifeMs) return found
      throw thrown
    }
    forget(endpoint, reading)
    const anew = await state(endpoint)
    waiters.wake(endpoint)
    return anew
  }

  function namedNow(): Promise<Set<string>> {
    if (named !== undefined) return named
    const reading = namedBlobs(store)
    named = reading
    // A failure is the caller's, not everyone's until the next change.
    reading.catch(() => {
      if (named === reading) named = undefined
    })
    return reading
  }

  return {
    async signed(endpoint, base) {
      const found = await current(endpoint)
      const at = `${endpoint} ${base}`
      const held = plans.get(at)
      if (held?.revision === found.revision && held.issuedAt === found.issuedAt) return await held.plan
      const plan = signPlan(found, base, options)
      if (plans.size >= keptPlans) plans.clear()
      plans.set(at, { revision: found.revision, issuedAt: found.issuedAt, plan })
      plan.catch(() => plans.delete(at))
      return await plan
    },
    watch: waiters.watch,
    watching: waiters.count,
    async names(model, digest) {
      return (await namedNow()).has(`${model} ${digest}`)
    },
    changed(endpoint) {
      states.delete(endpoint)
      named = undefined
      waiters.wake(endpoint)
    },
    close: waiters.close,
  }
}

async function readState(store: Store, endpoint: string): Promise<EndpointState> {
  const state = await store.endpoints.endpoint(endpoint)
  if (state !== undefined) return state
  throw new SelvedgeError('ENDPOINT_UNKNOWN', `there is no endpoint ${endpoint}`, { endpoint })
}

async function signPlan(state: EndpointState, base: string, options: PlanOptions): Promise<SignedPlan> {
  const plan: Plan = {
    endpoint: state.name,
    revision: state.revision,
    issuedAt: new Date(state.issuedAt).toISOString(),
    expiresAt: new Date(state.issuedAt + options.lifeMs).toISOString(),
    scheme: state.scheme,
    salt: state.salt,
    deployments: await deploymentsOf(options.store, state),
    ...ensemblesOf(state),
    ranges: state.ranges,
    ...(state.audience && { audience: state.audience }),
    ...(state.shadow && { shadow: state.shadow }),
    runtime: options.runtime,
    blobs: `${base}v2/`,
    telemetry: { url: `${base}api/v1/telemetry`, intervalMs: options.telemetryIntervalMs, sampleRate: 1 },
    nextKeys: [],
  }
  const jws = await options.key.sign(new TextEncoder().encode(JSON.stringify(plan)))
  return { revision: state.revision, jws, etag: `"sha256:${createHash('sha256').update(jws).digest('hex')}"` }
}

async function deploymentsOf(store: Store, { deployments }: EndpointState): Promise<PlanDeployment[]> {
  return await Promise.all(
    deployments.flatMap(namedVersions).map(async ({ name, model, version, resources }) => {
      const found = await store.models.version(model, version)
      if (found?.plan === undefined) throw new Error(`deployment ${name} names a version that cannot be served`)
      return { name, ...found.plan, ...(resources && { resources }) }
    }),
  )
}

function ensemblesOf({ deployments }: EndpointState): Pick<Plan, 'ensembles'> {
  const ensembles = deployments.filter((each) => each.kind === 'ensemble')
  if (ensembles.length === 0) return {}
  return {
    ensembles: ensembles.map(({ name, version, inputs, outputs, features, output, steps, resources }) => ({
      name,
      version,
      inputs,
      outputs,
      ...(features && { features }),
      ...(output && { output }),
      steps: steps.map((step, i) => ({ deployment: stepOf(name, i), inputs: step.inputs, outputs: step.outputs })),
      ...(resources && { resources }),
    })),
  }
}

/** What a host loads for a deployment, each version under the name that it has in the plan. */
function namedVersions(
  deployment: DeploymentState,
): { name: string; model: string; version: number; resources?: Resources }[] {
  const { name, resources } = deployment
  if (deployment.kind !== 'ensemble') {
    const { model, version } = deployment
    return [{ name, model, version, ...(resources && { resources }) }]
  }
  const own = resources && stepResources(resources, deployment.steps.length)
  return deployment.steps.map(({ model, version }, i) => ({
    name: stepOf(name, i),
    model,
    version,
    ...(own && { resources: own }),
  }))
}

function stepOf(ensemble: string, place: number): string {
  return `${ensemble}/${place + 1}`
}

// Batches are made at the border of the ensemble; the memory is for all steps.
function stepResources({ threads, scorers, memoryMiB }: Resources, steps: number): Resources {
  return {
    ...(threads !== undefined && { threads }),
    ...(scorers !== undefined && { scorers }),
    ...(memoryMiB !== undefined && { memoryMiB: Math.ceil(memoryMiB / steps) }),
  }
}

async function namedBlobs(store: Store): Promise<Set<string>> {
  const named = new Set<string>()
  let after: string | undefined
  for (;;) {
    const states = await store.endpoints.endpoints({ after, limit: 100 })
    for (const state of states) {
      for (const { model, description, spec, golden, variants } of await deploymentsOf(store, state)) {
        const files = variants.flatMap((variant) => variant.files.map((file) => file.digest))
        for (const digest of [description, spec, golden, ...files]) {
          if (digest !== undefined) named.add(`${model} ${digest}`)
        }
      }
    }
    after = states.at(-1)?.name
    if (after === undefined) return named
  }
}
