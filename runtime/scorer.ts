/**
 * Scorer: the deployments that a host serves for one endpoint. It assigns a unit to a deployment, runs its session,
 * counts the rows, and switches to a new plan while the old one answers.
 */
import { assign, bucket } from './assignment.ts'
import { randomId } from './bytes.ts'
import type { Description } from './contract/description.ts'
import type { ExecutionProvider } from './contract/names.ts'
import type { Plan, PlanDeployment } from './contract/plan.ts'
import type { ProfileReport } from './contract/telemetry.ts'
import { encodeError, errorTable, SelvedgeError } from './errors.ts'
import {
  decodePredictions,
  encodeRecords,
  outputTensorValues,
  outputValues,
  type Prediction,
  recordValues,
  tensorValues,
} from './features.ts'
import { checkGolden, zeroInputs } from './golden.ts'
import type { LoadedDeployment } from './loader.ts'
import { isSameVersion } from './plan.ts'
import type { Queue } from './queue.ts'
import type { OpenSession, Session } from './session.ts'
import { checkInputs } from './signature.ts'
import { openTally, type Row, type Source, type Tally } from './tally.ts'
import type { Tensors } from './tensor.ts'
import { openUnits, type Units } from './units.ts'

export interface ScorerOptions {
  openSession: OpenSession
  /** In order of preference. */
  providers: readonly ExecutionProvider[]
  device: ProfileReport['device']
  /** Shared by all scorers of one process or device. */
  queue: Queue
}

/** Who answered, and how long it took. */
export interface Answer {
  deployment: string
  version: number
  variant: string
  provider: ExecutionProvider
  /** Why this provider, in words. */
  why: string
  queueMs: number
  computeMs: number
}

export interface Target {
  /** Whom the experiment counts; without it a random one, which is never an exposure. */
  unit?: string | undefined
  /** A deployment whatever the split. */
  deployment?: string | undefined
  /** A version that is held, whatever the split. */
  version?: number | undefined
}

/** Who answers one request, as {@link Scorer.choose} gave it. */
export interface Chosen {
  readonly description: Description
}

interface Request {
  /** Frees a request that waits; one that runs goes on. */
  signal?: AbortSignal | undefined
}

export interface InferRequest extends Request {
  inputs: Tensors
  /** All where absent. */
  outputs?: readonly string[] | undefined
}

export interface ScoreRequest extends Request {
  records: readonly Readonly<Record<string, unknown>>[]
}

export interface Scorer {
  readonly plan: Plan | undefined
  readonly tally: Tally
  readonly units: Units
  holds(deployment: PlanDeployment): boolean
  /**
   * Switches to a plan. Deployments not yet held are opened, checked against their golden samples and run once before
   * anything changes; when one fails the plan before goes on.
   *
   * @param loaded - every deployment of the plan for which {@link Scorer.holds} is false
   * @throws {@link SelvedgeError} `PROVIDER_UNAVAILABLE`, `MODEL_INVALID`, `OPERATOR_UNKNOWN`, `GOLDEN_MISMATCH`
   */
  serve(plan: Plan, loaded: readonly LoadedDeployment[]): Promise<void>
  /**
   * The deployment of a unit, or the one that is pinned: whose description the request must fit.
   *
   * @throws {@link SelvedgeError} `NOT_READY`, `NO_TRAFFIC`, `DEPLOYMENT_UNKNOWN`
   */
  choose(target: Target): Chosen
  /** @throws {@link SelvedgeError} for inputs that do not fit, and `QUEUE_FULL`, `RUN_FAILED`, `DEADLINE_EXCEEDED` */
  infer(request: InferRequest, to: Chosen): Promise<Answer & { outputs: Tensors }>
  /** @throws {@link SelvedgeError} as {@link Scorer.infer}, and `NO_FEATURES`, `FEATURE_UNKNOWN`, `FEATURE_INVALID` */
  score(request: ScoreRequest, to: Chosen): Promise<Answer & { predictions: Prediction[] }>
  close(): Promise<void>
}

interface ChosenServed extends Chosen {
  served: Served
  unit: string | undefined
  isExposure: boolean
}

interface Served {
  deployment: PlanDeployment
  description: Description
  source: Source
  session: Session
  why: string
}

export function openScorer(options: ScorerOptions): Scorer {
  const tally = openTally(options.device)
  const units = openUnits()
  let plan: Plan | undefined
  let served = new Map<string, Served>()

  function held(deployment: PlanDeployment): Served | undefined {
    return [...served.values()].find((each) => isSameVersion(each.deployment, deployment))
  }

  function choose({ unit, deployment, version }: Target): ChosenServed {
    const isPinned = deployment !== undefined || version !== undefined
    const served = deployment !== undefined ? named(deployment) : (versioned(version) ?? assigned(unit ?? randomId()))
    return { description: served.description, served, unit, isExposure: unit !== undefined && !isPinned }
  }

  function versioned(version: number | undefined): Served | undefined {
    if (version === undefined) return undefined
    const found = [...served.values()].find((each) => each.deployment.version === version)
    if (found !== undefined) return found
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${current().endpoint} serves no version ${version}`, { version })
  }

  function assigned(unit: string): Served {
    const deployment = assign(current(), unit)
    if (deployment !== undefined) return named(deployment)
    throw new SelvedgeError('NO_TRAFFIC', `no deployment of ${current().endpoint} gets traffic`)
  }

  function current(): Plan {
    if (plan !== undefined) return plan
    throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
  }

  function named(deployment: string): Served {
    const found = served.get(deployment)
    if (found !== undefined) return found
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${current().endpoint} has no deployment ${deployment}`, {
      deployment,
    })
  }

  function isSampled(unit: string | undefined): boolean {
    const rate = plan?.telemetry.sampleRate ?? 0
    if (rate >= 1) return true
    return bucket(`${plan?.salt}:sample`, unit ?? randomId()) < rate * 1_000_000
  }

  async function run<Result>(
    chosen: Chosen,
    signal: AbortSignal | undefined,
    request: (to: Served) => { inputs: Tensors; outputs?: readonly string[] | undefined },
    read: (to: Served, inputs: Tensors, outputs: Tensors) => { result: Result; rows: () => Row[] },
  ): Promise<Answer & Result> {
    const { served: to, unit, isExposure } = chosen as ChosenServed
    const arrived = performance.now()
    try {
      const { inputs, outputs: wanted } = request(to)
      checkInputs(to.description, inputs)
      let started = arrived
      const outputs = await options.queue.run(() => {
        started = performance.now()
        return to.session.run(inputs, wanted)
      }, signal)
      const ended = performance.now()
      const { result, rows } = read(to, inputs, outputs)
      if (isExposure && unit !== undefined) units.exposed(unit, to.deployment.name)
      if (isSampled(unit)) tally.answered(to.source, rows(), ended - arrived)
      return { ...answer(to), queueMs: started - arrived, computeMs: ended - started, ...result }
    } catch (error) {
      const { code } = encodeError(error)
      // A caller that left, or that asked for what the signature refuses, says nothing about the deployment.
      if (!signal?.aborted && errorTable[code].status !== 400) tally.failed(to.source, code)
      throw error
    }
  }

  return {
    get plan() {
      return plan
    },
    tally,
    units,
    holds: (deployment) => held(deployment) !== undefined,

    async serve(next, loaded) {
      const fresh: Served[] = []
      const after = new Map<string, Served>()
      try {
        for (const deployment of next.deployments) {
          let entry = held(deployment) ?? fresh.find((each) => isSameVersion(each.deployment, deployment))
          if (entry === undefined) {
            entry = await open(loadedFor(deployment, loaded), options)
            fresh.push(entry)
          }
          after.set(deployment.name, { ...entry, deployment, source: { ...entry.source, deployment: deployment.name } })
        }
      } catch (error) {
        await Promise.all(fresh.map((entry) => entry.session.close()))
        throw error
      }
      const kept = new Set(Array.from(after.values(), (entry) => entry.session))
      const gone = new Set(Array.from(served.values(), (entry) => entry.session).filter((each) => !kept.has(each)))
      plan = next
      served = after
      // Behind the requests that already wait for these sessions.
      for (const session of gone) await options.queue.runAlways(() => session.close())
    },

    choose,

    infer: ({ inputs, outputs, signal }, chosen) =>
      run(
        chosen,
        signal,
        () => ({ inputs, outputs }),
        (to, _, result) => ({ result: { outputs: result }, rows: () => inferredRows(to, inputs, result) }),
      ),

    score: ({ records, signal }, chosen) =>
      run(
        chosen,
        signal,
        (to) => ({ inputs: encodeRecords(to.description, records) }),
        (to, inputs, outputs) => {
          const predictions = decodePredictions(to.description, outputs)
          return { result: { predictions }, rows: () => scoredRows(to, records, inputs, predictions) }
        },
      ),

    async close() {
      const sessions = new Set(Array.from(served.values(), (entry) => entry.session))
      served = new Map()
      plan = undefined
      for (const session of sessions) await options.queue.runAlways(() => session.close())
    },
  }
}

async function open(loaded: LoadedDeployment, options: ScorerOptions): Promise<Served> {
  const { deployment, description, variant, golden, spec } = loaded
  const passed: string[] = []
  let failure: SelvedgeError | undefined
  for (const provider of options.providers.filter((each) => variant.providers.includes(each))) {
    let session: Session | undefined
    try {
      session = await options.openSession(loaded.bytes, provider)
      await warmUp(session, loaded, options.queue)
      const source: Source = {
        deployment: deployment.name,
        version: deployment.version,
        variant: variant.id,
        provider,
        ...(spec && deployment.spec && { spec: { digest: deployment.spec, document: spec } }),
      }
      const on = session.device === undefined ? provider : `${provider} on ${session.device}`
      const why = [`${on} ${golden ? 'gives the golden outputs' : 'is the first that loads it'}`, ...passed].join('; ')
      return { deployment, description, source, session, why }
    } catch (error) {
      await session?.close()
      if (!(error instanceof SelvedgeError)) throw error
      passed.push(`not ${provider}: ${error.message}`)
      // The first that says something about the model; that a provider is absent says nothing.
      if (failure === undefined || failure.code === 'PROVIDER_UNAVAILABLE') failure = error
    }
  }
  throw failure ?? new SelvedgeError('PROVIDER_UNAVAILABLE', `variant ${variant.id} has no provider of this host`)
}

// A first run compiles and allocates; no visitor should wait for it.
async function warmUp(session: Session, { description, golden }: LoadedDeployment, queue: Queue): Promise<void> {
  if (golden !== undefined) return await checkGolden(session, golden, queue)
  const inputs = zeroInputs(description)
  if (inputs === undefined) return
  try {
    await queue.runAlways(() => session.run(inputs))
  } catch (error) {
    // Zeros may be no input that the network takes; only golden samples are.
    if (!(error instanceof SelvedgeError && error.code === 'RUN_FAILED')) throw error
  }
}

function loadedFor(deployment: PlanDeployment, loaded: readonly LoadedDeployment[]): LoadedDeployment {
  const found = loaded.find((each) => isSameVersion(each.deployment, deployment))
  if (found !== undefined) return found
  throw new SelvedgeError('NOT_READY', `deployment ${deployment.name} is not loaded`)
}

function answer({ deployment, source, why }: Served): Omit<Answer, 'queueMs' | 'computeMs'> {
  return {
    deployment: deployment.name,
    version: deployment.version,
    variant: source.variant,
    provider: source.provider,
    why,
  }
}

function scoredRows(
  { description }: Served,
  records: readonly Readonly<Record<string, unknown>>[],
  inputs: Tensors,
  predictions: readonly Prediction[],
): Row[] {
  return records.map((record, row) => {
    const prediction = predictions[row]
    return {
      features: recordValues(description, record, { inputs, row }),
      outputs: prediction === undefined ? {} : outputValues(description, prediction),
    }
  })
}

function inferredRows({ description }: Served, inputs: Tensors, outputs: Tensors): Row[] {
  const answered = outputTensorValues(description, outputs)
  const asked = description.features === undefined ? [{}] : tensorValues(description, inputs)
  return asked.map((features, row) => ({ features, outputs: answered[row] ?? {} }))
}
