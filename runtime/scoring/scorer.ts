/** Scorer: what a host does for one endpoint. It assigns a unit to a deployment, runs its session and counts the rows. */
import { assign, randomBucket } from '../assignment/assignment.ts'
import type { Caller } from '../assignment/audience.ts'
import { bucket } from '../assignment/schemes.ts'
import { type Exposure, openUnits, type Units } from '../assignment/units.ts'
import type { Description } from '../contract/description.ts'
import type { ExecutionProvider } from '../contract/names.ts'
import type { Plan } from '../contract/plan.ts'
import type { ProfileReport } from '../contract/telemetry.ts'
import { type ErrorCode, encodeError, errorTable, SelvedgeError } from '../errors.ts'
import { limits } from '../limits.ts'
import { type AskedBy, openTally, type Row, type Source, type Tally } from '../telemetry/tally.ts'
import { encodeRecords, recordValues, tensorValues } from '../tensor/features.ts'
import { decodePredictions, outputTensorValues, outputValues, type Prediction } from '../tensor/predictions.ts'
import { checkInputs } from '../tensor/signature.ts'
import type { Tensors } from '../tensor/tensor.ts'
import { type Batch, hasBatchAxis } from './batcher.ts'
import { type Deployments, type Entry, openDeployments, sourceOf } from './deployments.ts'
import type { ServedEvent, ServedOptions } from './served.ts'
import { openShadow } from './shadow.ts'

export interface ScorerOptions extends Omit<ServedOptions, 'event'> {
  device: ProfileReport['device']
  /** For how long nobody may have asked before a shadow is asked, in ms; 0 where absent. */
  shadowRestMs?: number | undefined
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

export interface Target extends Caller {
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

export interface Scorer extends Pick<Deployments, 'plan' | 'lanes' | 'holds' | 'serve' | 'close'> {
  readonly tally: Tally
  readonly units: Units
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
  /** Settles when no shadow is asked or waits to be; never rejects. */
  shadowed(): Promise<void>
  /** Counts what befell the whole host as an error of each deployment that it serves. */
  count(code: ErrorCode): void
}

interface ChosenEntry extends Chosen {
  entry: Entry
  unit: string | undefined
  /** Whether the caller named the deployment or version. */
  isPinned: boolean
  /** The plan by which the unit was assigned; absent where nobody was, or by no split. */
  plan: Plan | undefined
}

/** What is counted of a request, a row each. */
interface Values {
  /** Absent where the version has no features. */
  asked: (() => readonly Row['features'][]) | undefined
  answered(): readonly Row['outputs'][]
}

interface Counting extends Pick<Request, 'released'>, AskedBy {
  exposure: Exposure | undefined
  latencyMs: number
}

interface Read<Result> extends Values {
  result: Result
}

export function openScorer(options: ScorerOptions): Scorer {
  const tally = openTally(options.device)
  const units = openUnits()
  // What befalls a session is counted like an error of the provider that it befell.
  const deployments = openDeployments(options, (source, event) => {
    if (event.type === 'parity_failed') tally.failed(source, 'PARITY_FAILED')
    if (event.type === 'device_lost') tally.failed(source, 'DEVICE_LOST')
    const { spec: _, ...named } = source
    options.event?.({ ...event, ...named })
  })

  let asked = 0
  const shadow = openShadow({
    tally,
    isIdle: ({ served }) => asked === 0 && options.queueOf(served.lane.provider).length === 0,
    restMs: options.shadowRestMs ?? 0,
  })

  function choose({ unit, attributes, deployment, version }: Target): ChosenEntry {
    const pinned = deployment ?? versioned(version)
    const { entry, isBySplit } =
      pinned === undefined ? assigned({ unit, attributes }) : { entry: named(pinned), isBySplit: false }
    const plan = unit !== undefined && isBySplit ? current() : undefined
    return { description: entry.served.description, entry, unit, isPinned: pinned !== undefined, plan }
  }

  function versioned(version: number | undefined): string | undefined {
    if (version === undefined) return undefined
    const found = [...deployments.entries.values()].find((each) => each.version === version)
    if (found !== undefined) return found.name
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${current().endpoint} serves no version ${version}`, { version })
  }

  function assigned(caller: Caller): { entry: Entry; isBySplit: boolean } {
    const plan = current()
    const { deployment, isBySplit } = assign(plan, caller)
    if (deployment !== undefined) return { entry: named(deployment), isBySplit }
    throw new SelvedgeError('NO_TRAFFIC', `no deployment of ${plan.endpoint} gets traffic`)
  }

  function current(): Plan {
    if (deployments.plan !== undefined) return deployments.plan
    throw new SelvedgeError('NOT_READY', 'no plan was adopted yet')
  }

  function named(deployment: string): Entry {
    const found = deployments.entries.get(deployment)
    if (found !== undefined) return found
    throw new SelvedgeError('DEPLOYMENT_UNKNOWN', `${current().endpoint} has no deployment ${deployment}`, {
      deployment,
    })
  }

  function isSampled(unit: string | undefined): boolean {
    const { plan } = deployments
    const rate = plan?.telemetry.sampleRate ?? 0
    if (rate >= 1) return true
    return (unit === undefined ? randomBucket() : bucket(`${plan?.salt}:sample`, unit)) < rate * 1_000_000
  }

  /** Who is asked the same after the answer, where the unit is of those for whom that is done. */
  function shadowOf(unit: string | undefined, { name }: Entry): Entry | undefined {
    const { plan, entries } = deployments
    if (plan?.shadow === undefined || plan.shadow.deployment === name) return undefined
    const at = unit === undefined ? randomBucket() : bucket(`${plan.salt}:shadow`, unit)
    return at < plan.shadow.ppm ? entries.get(plan.shadow.deployment) : undefined
  }

  async function run<Result>(
    chosen: Chosen,
    { signal, priority, timeoutMs, released }: Request,
    request: (description: Description) => { inputs: Tensors; outputs?: readonly string[] | undefined },
    read: (description: Description, inputs: Tensors, outputs: Tensors) => Read<Result>,
  ): Promise<Answer & Result> {
    const { entry, unit, isPinned, plan } = chosen as ChosenEntry
    const { served } = entry
    const arrived = performance.now()
    shadow.interrupt()
    asked++
    const deadline = timeoutMs === undefined ? undefined : arrived + timeoutMs
    try {
      const { inputs, outputs: wanted } = request(served.description)
      checkInputs(served.description, inputs)
      checkRows(served.description, inputs)
      const { outputs, startedAt, batch, lane } = await served.run(inputs, wanted, { signal, priority, deadline })
      const ended = performance.now()
      const { result, ...values } = read(served.description, inputs, outputs)
      const exposure = plan && unit !== undefined ? units.exposed(unit, entry.name, plan) : undefined
      const source = sourceOf(entry, lane)
      if (isSampled(unit)) count(source, values, { unit, isPinned, exposure, latencyMs: ended - arrived, released })
      else released?.()
      const second = shadowOf(unit, entry)
      if (second !== undefined) shadow.follow(second, { by: source, description: served.description, inputs, outputs })
      const { deployment, version, variant, provider } = source
      const by = { deployment, version, variant, provider, why: lane.why }
      return { ...by, queueMs: startedAt - arrived, computeMs: ended - startedAt, batch, ...result }
    } catch (error) {
      const { code } = encodeError(error)
      // A caller that left, or that asked for what the signature refuses, says nothing about the deployment.
      if (!signal?.aborted && errorTable[code][0] !== 400)
        tally.failed(sourceOf(entry, served.lane), code, { isPinned })
      throw error
    } finally {
      asked--
    }
  }

  function count(source: Source, { asked, answered }: Values, counting: Counting): void {
    const { exposure, latencyMs, released } = counting
    // The outputs are the caller's once it has them.
    const outputs = answered()
    const rows = () => (asked?.() ?? [{}]).map((features, row): Row => ({ features, outputs: outputs[row] ?? {} }))
    const tell = () => {
      const cells = tally.answered(source, rows(), latencyMs, counting)
      const { version, spec } = source
      if (exposure && cells && spec) exposure.prediction = { version, spec: spec.digest, cells }
    }
    if (asked === undefined || released === undefined) {
      tell()
      released?.()
      return
    }
    tally.later(() => {
      try {
        tell()
      } catch (error) {
        tally.failed(source, encodeError(error).code, counting)
      }
      released()
    })
  }

  return {
    get plan() {
      return deployments.plan
    },
    get lanes() {
      return deployments.lanes
    },
    tally,
    units,
    holds: deployments.holds,
    serve: deployments.serve,
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
      for (const entry of deployments.entries.values()) tally.failed(sourceOf(entry, entry.served.lane), code)
    },

    shadowed: shadow.settled,

    close: deployments.close,
  }
}

function checkRows(description: Description, inputs: Tensors): void {
  const rows = hasBatchAxis(description) ? (Object.values(inputs)[0]?.shape[0] ?? 0) : 0
  if (rows <= limits.requestRows) return
  throw new SelvedgeError('BODY_TOO_LARGE', `the request has ${rows} rows, at most ${limits.requestRows}`)
}
