/**
 * Served: one version as a host serves it: the session that answers, the one that takes over when a device is lost, and
 * the way back.
 */

import type { Description } from '../contract/description.ts'
import type { ExecutionProvider } from '../contract/names.ts'
import type { PlanDeployment, PlanVariant } from '../contract/plan.ts'
import { type Candidate, candidatesOf } from '../delivery/candidates.ts'
import type { LoadedDeployment } from '../delivery/loader.ts'
import { SelvedgeError } from '../errors.ts'
import type { Tensors } from '../tensor/tensor.ts'
import type { Ran } from './batcher.ts'
import type { KeptChoices, Named } from './choice.ts'
import {
  isNamed,
  type Lane,
  type LaneOptions,
  openFastest,
  openFirst,
  type ParityFailure,
  type Version,
} from './lane.ts'
import type { QueueOptions } from './queue.ts'
import type { ModelBytes } from './session.ts'

export interface ServedOptions extends LaneOptions {
  /** In order of preference. */
  providers: readonly ExecutionProvider[]
  /**
   * Where present, the variants and providers of a version are compared by its golden outputs and their speed; else the
   * first that works is taken.
   */
  choices?: KeptChoices | undefined
  /**
   * The bytes of another variant, or the same ones once more for a session that takes over; without it only the variant
   * that was loaded is served, and nothing takes over.
   */
  reload?: ((deployment: PlanDeployment, variant: PlanVariant) => Promise<ModelBytes>) | undefined
  event?: ((event: ServedEvent) => void) | undefined
}

export type ServedEvent =
  | ({ type: 'parity_failed' } & ParityFailure)
  | ({ type: 'device_lost'; answeredBy: ExecutionProvider } & Named)
  | ({ type: 'device_recovered'; afterMs: number } & Named)

/** What takes requests: a version, or an ensemble of some. */
export interface Answering {
  readonly description: Description
  /** Who answers now. */
  readonly lane: Answerer
  /** @throws {@link SelvedgeError} as {@link Queue.run} and {@link Session.run} */
  run(inputs: Tensors, outputs: readonly string[] | undefined, options: QueueOptions): Promise<Ran & { lane: Answerer }>
}

/** Of a {@link Lane} what counts and answers name. */
export type Answerer = Pick<Lane, 'provider' | 'why'> & { variant: Pick<PlanVariant, 'id'> }

export interface Served extends Answering {
  readonly deployment: PlanDeployment
  readonly lane: Lane
  /**
   * Runs on the session that answers now; where its device is lost meanwhile, once more on the one that takes over.
   *
   * @throws {@link SelvedgeError} as {@link Queue.run} and {@link Session.run}
   */
  run(inputs: Tensors, outputs: readonly string[] | undefined, options: QueueOptions): Promise<Ran & { lane: Lane }>
  /** Behind the runs that were accepted. */
  close(): Promise<void>
}

/** Losses of a device after which it is not warmed again. */
const mostLosses = 3
const lossesWithinMs = 600_000

/**
 * @throws {@link SelvedgeError} what kept the first provider from being used: `MODEL_INVALID`, `OPERATOR_UNKNOWN`,
 * `GOLDEN_MISMATCH`, `PROVIDER_UNAVAILABLE`
 */
export async function openServed(loaded: LoadedDeployment, options: ServedOptions): Promise<Served> {
  const { deployment, description, golden } = loaded
  const event = options.event ?? (() => undefined)
  const accepted = new Set<Promise<unknown>>()
  const losses: number[] = []
  let closed = false
  let takingOver: Promise<Lane> | undefined

  async function reload(variant: PlanVariant): Promise<ModelBytes> {
    if (options.reload !== undefined) return await options.reload(deployment, variant)
    throw new SelvedgeError('NOT_READY', `variant ${variant.id} of ${deployment.name} is not loaded`)
  }

  async function open({ variant, bytes }: LoadedDeployment): Promise<{ lane: Lane; spare?: Lane }> {
    const { choices, lacks = () => undefined } = options
    const load: Version['load'] = async (wanted) => (wanted.id === variant.id ? bytes : await reload(wanted))
    const present = candidates.filter((each) => lacks(each) === undefined)
    if (choices === undefined || golden === undefined || present.length < 2) {
      return { lane: await openFirst({ ...version, load }, candidates, options) }
    }
    return await openFastest(deployment.manifest, { ...version, golden, load }, candidates, choices, options)
  }

  const version: Version = {
    description,
    golden,
    resources: deployment.resources,
    load: reload,
    parityFailed: (failure) => event({ type: 'parity_failed', ...failure }),
  }
  const candidates = usable(loaded, options)
  // No function in here may name `loaded`: they live on, and its bytes are to be free once the sessions hold them.
  const first = await open(loaded)
  let current = first.lane
  let spare = first.spare
  watch(current)

  function watch(lane: Lane): void {
    void lane.session.lost?.then(() => {
      if (!closed && current === lane) takeOver(lane).catch(() => undefined)
    })
  }

  // Several runs see one loss; they share what takes over. Whoever waits for it is told when it fails.
  function takeOver(lost: Lane): Promise<Lane> {
    if (current !== lost) return Promise.resolve(current)
    takingOver ??= openSpare(lost).then(
      (next) => {
        current = next
        takingOver = undefined
        event({ type: 'device_lost', ...nameOf(lost), answeredBy: next.provider })
        void comeBack(lost)
        return next
      },
      (error) => {
        takingOver = undefined
        throw error
      },
    )
    return takingOver
  }

  async function openSpare(lost: Lane): Promise<Lane> {
    const why = `${lost.provider} lost its device`
    if (spare !== undefined) {
      const lane = { ...spare, why: `${spare.name}: ${why}` }
      spare = undefined
      return lane
    }
    if (options.reload === undefined) throw new SelvedgeError('DEVICE_LOST', why)
    const others = candidates.filter((each) => each.provider !== lost.provider)
    const passed = (await options.choices?.read(deployment.manifest))?.spare
    const isPassed = (each: Candidate) => Number(passed !== undefined && isNamed(each, passed))
    const lane = await openFirst(
      version,
      others.toSorted((a, b) => isPassed(b) - isPassed(a)),
      options,
    )
    return { ...lane, why: `${lane.name}: ${why}` }
  }

  // Behind the requests, which the other provider answers meanwhile.
  async function comeBack(lost: Lane): Promise<void> {
    const began = performance.now()
    losses.push(began)
    const recent = losses.filter((at) => at > began - lossesWithinMs)
    if (recent.length > mostLosses || options.reload === undefined) return
    try {
      const lane = await openFirst(version, [lost], options)
      if (closed) return await lane.session.close()
      spare = current
      current = { ...lane, why: `${lane.why}, warmed again after a loss` }
      watch(current)
      event({ type: 'device_recovered', ...nameOf(lane), afterMs: performance.now() - began })
    } catch (error) {
      // The provider that took over goes on answering.
      if (!(error instanceof SelvedgeError)) throw error
    }
    // What a session of a dead device says to being released is of no interest.
    await lost.session.close().catch(() => undefined)
  }

  async function run(inputs: Tensors, outputs: readonly string[] | undefined, queued: QueueOptions) {
    const lane = current
    try {
      return { ...(await lane.batcher.run(inputs, outputs, queued)), lane }
    } catch (error) {
      if (!(error instanceof SelvedgeError && error.code === 'DEVICE_LOST')) throw error
      const next = await takeOver(lane)
      return { ...(await next.batcher.run(inputs, outputs, queued)), lane: next }
    }
  }

  return {
    deployment,
    description,
    get lane() {
      return current
    },
    run(inputs, outputs, queued) {
      const running = run(inputs, outputs, queued)
      accepted.add(running)
      const forget = () => accepted.delete(running)
      running.then(forget, forget)
      return running
    },
    async close() {
      closed = true
      await Promise.allSettled(accepted)
      await current.session.close()
      await spare?.session.close()
    },
  }
}

// Others could not be loaded.
function usable({ deployment, variant }: LoadedDeployment, { providers, reload }: ServedOptions): Candidate[] {
  const all = candidatesOf(deployment, providers)
  return reload === undefined ? all.filter((each) => each.variant.id === variant.id) : all
}

function nameOf({ variant, provider }: Candidate): Named {
  return { variant: variant.id, provider }
}
