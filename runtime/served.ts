/**
 * Served: one version as a host serves it: the session that answers, the one that takes over when a device is lost, and
 * the way back.
 */
import { type Batcher, openBatcher, type Ran } from './batcher.ts'
import { type Evidence, explain, fastest, type KeptChoices, tryProvider } from './choice.ts'
import type { Description } from './contract/description.ts'
import type { Golden } from './contract/golden.ts'
import type { ExecutionProvider } from './contract/names.ts'
import type { PlanDeployment } from './contract/plan.ts'
import { SelvedgeError } from './errors.ts'
import { checkGolden, zeroInputs } from './golden.ts'
import type { LoadedDeployment } from './loader.ts'
import type { Queue, QueueOptions } from './queue.ts'
import type { ModelBytes, OpenSession, Session } from './session.ts'
import type { Tensors } from './tensor.ts'

export interface ServedOptions {
  openSession: OpenSession
  /** In order of preference. */
  providers: readonly ExecutionProvider[]
  /** The queue of the device that a provider runs on, shared by all that runs there. */
  queueOf(provider: ExecutionProvider): Queue
  /** Where present, providers are compared by their golden outputs and their speed; else the first that works is taken. */
  choices?: KeptChoices | undefined
  /** The version's bytes once more, for a session that takes over; without it nothing does. */
  reload?: ((deployment: PlanDeployment) => Promise<ModelBytes>) | undefined
  event?: ((event: ServedEvent) => void) | undefined
}

export type ServedEvent =
  | { type: 'parity_failed'; provider: ExecutionProvider; largest: number; flips: number }
  | { type: 'device_lost'; provider: ExecutionProvider; answeredBy: ExecutionProvider }
  | { type: 'device_recovered'; provider: ExecutionProvider; afterMs: number }

/** Who answered. */
export interface Lane {
  readonly provider: ExecutionProvider
  readonly why: string
}

export interface Served {
  readonly deployment: PlanDeployment
  readonly description: Description
  readonly variant: string
  /** Who answers now. */
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

interface OpenLane extends Lane {
  session: Session
  batcher: Batcher
}

/** Losses of a device after which it is not warmed again. */
const mostLosses = 3
const lossesWithinMs = 600_000

/**
 * @throws {@link SelvedgeError} what kept the last provider from being used: `MODEL_INVALID`, `OPERATOR_UNKNOWN`,
 * `GOLDEN_MISMATCH`, `PROVIDER_UNAVAILABLE`
 */
export async function openServed(loaded: LoadedDeployment, options: ServedOptions): Promise<Served> {
  const { deployment, description, variant, golden } = loaded
  const event = options.event ?? (() => undefined)
  const accepted = new Set<Promise<unknown>>()
  const losses: number[] = []
  let closed = false
  let takingOver: Promise<OpenLane> | undefined

  function laneOf(session: Session, why: string): OpenLane {
    const batcher = openBatcher(session, options.queueOf(session.provider), description)
    return { provider: session.provider, why, session, batcher }
  }

  async function openLane(bytes: ModelBytes, provider: ExecutionProvider): Promise<OpenLane> {
    const session = await options.openSession(bytes, provider)
    try {
      await warmUp(session, { description, golden }, options.queueOf(provider))
    } catch (error) {
      await session.close()
      throw error
    }
    const on = session.device === undefined ? provider : `${provider} on ${session.device}`
    return laneOf(session, `${on} ${golden ? 'gives the golden outputs' : 'is the first that loads it'}`)
  }

  async function openFirst(bytes: ModelBytes, providers: readonly ExecutionProvider[]): Promise<OpenLane> {
    const passed: string[] = []
    let failure: SelvedgeError | undefined
    for (const provider of providers) {
      try {
        const lane = await openLane(bytes, provider)
        return { ...lane, why: [lane.why, ...passed].join('; ') }
      } catch (error) {
        if (!(error instanceof SelvedgeError)) throw error
        passed.push(`not ${provider}: ${error.message}`)
        // The first that says something about the model; that a provider is absent says nothing.
        if (failure === undefined || failure.code === 'PROVIDER_UNAVAILABLE') failure = error
      }
    }
    throw failure ?? new SelvedgeError('PROVIDER_UNAVAILABLE', `variant ${variant.id} has no provider of this host`)
  }

  async function openFastest(
    bytes: ModelBytes,
    choices: KeptChoices,
  ): Promise<{ lane: OpenLane; spare: OpenLane | undefined }> {
    const tried: { evidence: Evidence; session: Session }[] = []
    const passed: string[] = []
    let failure: SelvedgeError | undefined
    for (const provider of providers) {
      try {
        const session = await options.openSession(bytes, provider)
        if (golden === undefined) throw new SelvedgeError('INTERNAL', 'there is nothing to compare by')
        const evidence = await tryProvider(session, golden, description, options.queueOf(provider))
        if (evidence.medianMs === undefined) {
          const { largest, flips, where } = evidence.parity
          event({ type: 'parity_failed', provider, largest, flips })
          failure = new SelvedgeError('GOLDEN_MISMATCH', `${where} on ${provider} differs by ${largest}`, { largest })
        }
        tried.push({ evidence, session })
      } catch (error) {
        if (!(error instanceof SelvedgeError)) throw error
        passed.push(`not ${provider}: ${error.message}`)
        failure ??= error
      }
    }
    const evidence = tried.map((each) => each.evidence)
    const best = fastest(evidence)
    const spareEvidence = fastest(evidence.filter((each) => each !== best))
    const lanes = new Map<Evidence, OpenLane>()
    for (const { evidence: each, session } of tried) {
      if (each === best || each === spareEvidence)
        lanes.set(each, laneOf(session, [explain(each, evidence), ...passed].join('; ')))
      else await session.close()
    }
    const lane = best && lanes.get(best)
    if (lane === undefined) throw failure ?? new SelvedgeError('PROVIDER_UNAVAILABLE', 'no provider of this host works')
    await choices.write(choiceKey(deployment, choices), lane.provider)
    return { lane, spare: spareEvidence && lanes.get(spareEvidence) }
  }

  async function openChosen(bytes: ModelBytes): Promise<{ lane: OpenLane; spare: OpenLane | undefined }> {
    const { choices } = options
    if (choices === undefined || golden === undefined || providers.length < 2) {
      return { lane: await openFirst(bytes, providers), spare: undefined }
    }
    const kept = await choices.read(choiceKey(deployment, choices))
    if (kept === undefined || !providers.includes(kept)) return await openFastest(bytes, choices)
    try {
      const lane = await openLane(bytes, kept)
      return { lane: { ...lane, why: `${lane.why}, and was the fastest` }, spare: undefined }
    } catch (error) {
      // What was right once is wrong now, such as after a driver's update: ask again.
      if (!(error instanceof SelvedgeError)) throw error
      return await openFastest(bytes, choices)
    }
  }

  const providers = options.providers.filter((each) => variant.providers.includes(each))
  // No function here keeps `loaded`: the bytes are free once the sessions hold them.
  let { lane: current, spare } = await openChosen(loaded.bytes)
  watch(current)

  function watch(lane: OpenLane): void {
    void lane.session.lost?.then(() => {
      if (!closed && current === lane) takeOver(lane).catch(() => undefined)
    })
  }

  // Several runs see one loss; they share what takes over. Whoever waits for it is told when it fails.
  function takeOver(lost: OpenLane): Promise<OpenLane> {
    if (current !== lost) return Promise.resolve(current)
    takingOver ??= openSpare(lost).then(
      (next) => {
        current = next
        takingOver = undefined
        event({ type: 'device_lost', provider: lost.provider, answeredBy: next.provider })
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

  async function openSpare(lost: OpenLane): Promise<OpenLane> {
    const why = `${lost.provider} lost its device`
    if (spare !== undefined && spare.session.lost === undefined) {
      const lane = { ...spare, why: `${spare.provider}: ${why}` }
      spare = undefined
      return lane
    }
    if (options.reload === undefined) throw new SelvedgeError('DEVICE_LOST', why)
    const others = providers.filter((each) => each !== lost.provider)
    const lane = await openFirst(await options.reload(deployment), others)
    return { ...lane, why: `${lane.provider}: ${why}` }
  }

  // Behind the requests, which the other provider answers meanwhile.
  async function comeBack(lost: OpenLane): Promise<void> {
    const began = performance.now()
    losses.push(began)
    const recent = losses.filter((at) => at > began - lossesWithinMs)
    if (recent.length > mostLosses || options.reload === undefined) return
    try {
      const lane = await openLane(await options.reload(deployment), lost.provider)
      if (closed) return await lane.session.close()
      spare = current
      current = { ...lane, why: `${lane.why}, warmed again after a loss` }
      watch(current)
      event({ type: 'device_recovered', provider: lane.provider, afterMs: performance.now() - began })
      await lost.session.close()
    } catch (error) {
      // The provider that took over goes on answering.
      if (!(error instanceof SelvedgeError)) throw error
    }
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
    variant: variant.id,
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

// A first run compiles and allocates; no visitor should wait for it.
async function warmUp(
  session: Session,
  { description, golden }: { description: Description; golden: Golden | undefined },
  queue: Queue,
): Promise<void> {
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

function choiceKey({ manifest }: PlanDeployment, { host }: KeptChoices): string {
  return `${manifest} ${host}`
}
