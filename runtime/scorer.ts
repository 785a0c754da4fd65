/**
 * Scorer: the deployments that a host serves for one endpoint. It assigns a unit to a deployment, runs its session,
 * counts the rows, and switches to a new plan while the old one answers.
 */
import { bucket, deploymentAt, randomBucket } from './assignment.ts'
import { type Batch, hasBatchAxis } from './batcher.ts'
import type { Description } from './contract/description.ts'
import { ensembleVariant } from './contract/ensemble.ts'
import type { ExecutionProvider } from './contract/names.ts'
import type { Plan, PlanDeployment } from './contract/plan.ts'
import type { ProfileReport } from './contract/telemetry.ts'
import { openEnsemble, type ServedEnsemble } from './ensemble.ts'
import { type ErrorCode, encodeError, errorTable, SelvedgeError } from './errors.ts'
import { encodeRecords, recordValues, tensorValues } from './features.ts'
import type { Lane } from './lane.ts'
import { limits } from './limits.ts'
import type { LoadedDeployment } from './loader.ts'
import { isSameVersion, isStep } from './plan.ts'
import { decodePredictions, outputTensorValues, outputValues, type Prediction } from './predictions.ts'
import {
  type Answerer,
  type Answering,
  openServed,
  type Served,
  type ServedEvent,
  type ServedOptions,
} from './served.ts'
import { checkInputs } from './signature.ts'
import { openTally, type Row, type Source, type Tally } from './tally.ts'
import type { Tensors } from './tensor.ts'
import { openUnits, type Units } from './units.ts'

export interface ScorerOptions extends Omit<ServedOptions, 'event'> {
  device: ProfileReport['device']
  event?: ((event: ScorerEvent) => void) | undefined
}

/** What befell a version, once for each deployment that it serves. */
export type ScorerEvent = ServedEvent & Pick<Answer, 'deployment' | 'version'>

/** Who answered, and how long it took. */
export interface Answer {
  deployment: string
  version: number
  variant: string
  provider: ExecutionProvider
  /** Why this provider, in words. */
  why: string
  queueMs: number
  /** Of the run, whoever shared it. */
  computeMs: number
  batch: Batch
}

export interface Target {
  /** Whom the experiment counts; without it a random place in the split, which is never an exposure. */
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
  /** Higher goes first; default 0. */
  priority?: number | undefined
  /** How long it may wait before it is refused with `DEADLINE_EXCEEDED`, in ms. */
  timeoutMs?: number | undefined
  /**
   * For a caller that gives its inputs or records away: they are counted after the answer, which need not wait for it.
   * Told when nothing reads them any more; not where the request fails.
   */
  released?: (() => void) | undefined
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
  /** Who answers now, by deployment. */
  readonly lanes: ReadonlyMap<string, Lane>
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
  /** Counts what befell the whole host as an error of each deployment that it serves. */
  count(code: ErrorCode): void
  close(): Promise<void>
}

interface ChosenEntry extends Chosen {
  entry: Entry
  unit: string | undefined
  isExposure: boolean
}

/** What is counted of a request, a row each. */
interface Values {
  /** Absent where the version has no features. */
  asked: (() => readonly Row['features'][]) | undefined
  answered(): readonly Row['outputs'][]
}

interface Read<Result> extends Values {
  result: Result
}

/** A deployment of the plan: what answers under a name. */
interface Entry<Answers extends Answering = Answering> {
  name: string
  version: number
  served: Answers
  spec: Source['spec']
}

export function openScorer(options: ScorerOptions): Scorer {
  const tally = openTally(options.device)
  const units = openUnits()
  let plan: Plan | undefined
  /** By deployment, steps of ensembles among them. */
  let versions = new Map<string, Entry<Served>>()
  let ensembles = new Map<string, Entry<ServedEnsemble>>()
  /** Those that take requests. */
  let entries = new Map<string, Entry>()

  function held(deployment: PlanDeployment): Entry<Served> | undefined {
    return [...versions.values()].find((each) => isSameVersion(each.served.deployment, deployment))
  }

  function choose({ unit, deployment, version }: Target): ChosenEntry {
    const isPinned = deployment !== undefined || version !== undefined
    const entry = deployment !== undefined ? named(deployment) : (versioned(version) ?? assigned(unit))
    return { description: entry.served.description, entry, unit, isExposure: unit !== undefined && !isPinned }
  }

  function versioned(version: number | undefined): Entry | undefined {
    if (version === undefined) return undefined
    const found = [...entries.values()].find((each) => each.version === version)
    if (found !== undefined) return found
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${current().endpoint} serves no version ${version}`, { version })
  }

  function assigned(unit: string | undefined): Entry {
    const { salt, ranges, endpoint } = current()
    const deployment = deploymentAt(ranges, placeOf(salt, unit))
    if (deployment !== undefined) return named(deployment)
    throw new SelvedgeError('NO_TRAFFIC', `no deployment of ${endpoint} gets traffic`)
  }

  function current(): Plan {
    if (plan !== undefined) return plan
    throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
  }

  function named(deployment: string): Entry {
    const found = entries.get(deployment)
    if (found !== undefined) return found
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${current().endpoint} has no deployment ${deployment}`, {
      deployment,
    })
  }

  function isSampled(unit: string | undefined): boolean {
    const rate = plan?.telemetry.sampleRate ?? 0
    if (rate >= 1) return true
    return placeOf(`${plan?.salt}:sample`, unit) < rate * 1_000_000
  }

  async function run<Result>(
    chosen: Chosen,
    { signal, priority, timeoutMs, released }: Request,
    request: (description: Description) => { inputs: Tensors; outputs?: readonly string[] | undefined },
    read: (description: Description, inputs: Tensors, outputs: Tensors) => Read<Result>,
  ): Promise<Answer & Result> {
    const { entry, unit, isExposure } = chosen as ChosenEntry
    const { served } = entry
    const arrived = performance.now()
    const deadline = timeoutMs === undefined ? undefined : arrived + timeoutMs
    try {
      const { inputs, outputs: wanted } = request(served.description)
      checkInputs(served.description, inputs)
      checkRows(served.description, inputs)
      const { outputs, startedAt, batch, lane } = await served.run(inputs, wanted, { signal, priority, deadline })
      const ended = performance.now()
      const { result, ...values } = read(served.description, inputs, outputs)
      if (isExposure && unit !== undefined) units.exposed(unit, entry.name)
      const source = sourceOf(entry, lane)
      if (isSampled(unit)) count(source, values, ended - arrived, released)
      else released?.()
      const { deployment, version, variant, provider } = source
      const by = { deployment, version, variant, provider, why: lane.why }
      return { ...by, queueMs: startedAt - arrived, computeMs: ended - startedAt, batch, ...result }
    } catch (error) {
      const { code } = encodeError(error)
      // A caller that left, or that asked for what the signature refuses, says nothing about the deployment.
      if (!signal?.aborted && errorTable[code][0] !== 400) tally.failed(sourceOf(entry, served.lane), code)
      throw error
    }
  }

  function count(source: Source, { asked, answered }: Values, latencyMs: number, released?: () => void): void {
    // The outputs are the caller's once it has them.
    const outputs = answered()
    const rows = () => (asked?.() ?? [{}]).map((features, row): Row => ({ features, outputs: outputs[row] ?? {} }))
    if (asked === undefined || released === undefined) {
      tally.answered(source, rows(), latencyMs)
      released?.()
      return
    }
    tally.later(() => {
      try {
        tally.answered(source, rows(), latencyMs)
      } catch (error) {
        tally.failed(source, encodeError(error).code)
      }
      released()
    })
  }

  /** What befalls a session is counted like an error of the provider that it befell. */
  function befell(deployment: PlanDeployment, opening: Plan, event: ServedEvent): void {
    for (const source of sourcesOf(deployment, opening, event)) {
      if (event.type === 'parity_failed') tally.failed(source, 'PARITY_FAILED')
      if (event.type === 'device_lost') tally.failed(source, 'DEVICE_LOST')
      options.event?.({ ...event, ...source })
    }
  }

  // A plan may give a version another name than the one that it was opened under.
  function sourcesOf(deployment: PlanDeployment, opening: Plan, { variant, provider }: ServedEvent): Source[] {
    const serving = [...versions.values()].filter(({ served }) => isSameVersion(served.deployment, deployment))
    const names = serving.length === 0 ? [deployment.name] : serving.map(({ name }) => name)
    const { ensembles: known = [] } = (serving.length > 0 && plan) || opening
    return names.map((name) => {
      const ensemble = known.find(({ steps }) => steps.some((step) => step.deployment === name))
      if (ensemble === undefined) return { deployment: name, version: deployment.version, variant, provider }
      return { deployment: ensemble.name, version: ensemble.version, variant: ensembleVariant, provider }
    })
  }

  async function open(
    deployment: PlanDeployment,
    opening: Plan,
    loaded: readonly LoadedDeployment[],
  ): Promise<Entry<Served>> {
    const found = loaded.find((each) => isSameVersion(each.deployment, deployment))
    if (found === undefined) throw new SelvedgeError('NOT_READY', `deployment ${deployment.name} is not loaded`)
    const event = (what: ServedEvent) => befell(deployment, opening, what)
    const served = await openServed(found, { ...options, event })
    const { spec } = found
    return {
      name: deployment.name,
      version: deployment.version,
      served,
      spec: spec && deployment.spec !== undefined ? { digest: deployment.spec, document: spec } : undefined,
    }
  }

  return {
    get plan() {
      return plan
    },
    tally,
    units,
    get lanes() {
      return new Map(Array.from(versions, ([name, { served }]) => [name, served.lane]))
    },
    holds: (deployment) => held(deployment) !== undefined,

    async serve(next, loaded) {
      const fresh: Entry<Served>[] = []
      const after = new Map<string, Entry<Served>>()
      let composed: typeof ensembles
      try {
        for (const deployment of next.deployments) {
          let entry = held(deployment) ?? fresh.find((each) => isSameVersion(each.served.deployment, deployment))
          if (entry === undefined) {
            entry = await open(deployment, next, loaded)
            fresh.push(entry)
          }
          after.set(deployment.name, { ...entry, name: deployment.name })
        }
        composed = compose(next, after)
      } catch (error) {
        await Promise.all(fresh.map(({ served }) => served.close()))
        throw error
      }
      const kept = new Set(Array.from(after.values(), ({ served }) => served))
      const gone = new Set(Array.from(versions.values(), ({ served }) => served).filter((each) => !kept.has(each)))
      const leaving = [...ensembles.values()]
      plan = next
      versions = after
      ensembles = composed
      const all = new Map<string, Entry>([...after, ...composed])
      entries = new Map([...all].filter(([name]) => !isStep(name)))
      // Their runs need their steps.
      for (const { served } of leaving) await served.close()
      for (const served of gone) await served.close()
    },

    choose,

    infer: ({ inputs, outputs, ...request }, chosen) =>
      run(
        chosen,
        request,
        () => ({ inputs, outputs }),
        (description, _, result) => ({
          result: { outputs: result },
          asked: description.features && (() => tensorValues(description, inputs)),
          answered: () => outputTensorValues(description, result),
        }),
      ),

    score: ({ records, ...request }, chosen) =>
      run(
        chosen,
        request,
        (description) => ({ inputs: encodeRecords(description, records) }),
        (description, inputs, outputs) => {
          const predictions = decodePredictions(description, outputs)
          return {
            result: { predictions },
            asked: () => records.map((record, row) => recordValues(description, record, { inputs, row })),
            answered: () => predictions.map((prediction) => outputValues(description, prediction)),
          }
        },
      ),

    count(code) {
      for (const entry of entries.values()) tally.failed(sourceOf(entry, entry.served.lane), code)
    },

    async close() {
      const all = new Set(Array.from(versions.values(), ({ served }) => served))
      const leaving = [...ensembles.values()]
      versions = new Map()
      ensembles = new Map()
      entries = new Map()
      plan = undefined
      for (const { served } of leaving) await served.close()
      for (const served of all) await served.close()
    },
  }
}

function checkRows(description: Description, inputs: Tensors): void {
  const rows = hasBatchAxis(description) ? (Object.values(inputs)[0]?.shape[0] ?? 0) : 0
  if (rows <= limits.requestRows) return
  throw new SelvedgeError('BODY_TOO_LARGE', `the request has ${rows} rows, at most ${limits.requestRows}`)
}

function placeOf(salt: string, unit: string | undefined): number {
  return unit === undefined ? randomBucket() : bucket(salt, unit)
}

function compose(
  { ensembles = [] }: Plan,
  versions: ReadonlyMap<string, Entry<Served>>,
): Map<string, Entry<ServedEnsemble>> {
  const stepOf = (deployment: string) => {
    const found = versions.get(deployment)
    if (found !== undefined) return found.served
    throw new SelvedgeError('PLAN_INVALID', `the plan has no deployment ${deployment}, a step of an ensemble`)
  }
  return new Map(
    ensembles.map((each) => {
      const { name, version } = each
      return [name, { name, version, served: openEnsemble(each, stepOf), spec: undefined }]
    }),
  )
}

function sourceOf({ name, version, spec }: Entry, { variant, provider }: Answerer): Source {
  return { deployment: name, version, variant: variant.id, provider, spec }
}
