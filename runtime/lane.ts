/** Lane: one session of a version and the requests that wait for it, opened on the provider that evidence names. */
import { type Batcher, openBatcher } from './batcher.ts'
import { type Evidence, explain, fastest, type KeptChoices, tryProvider } from './choice.ts'
import type { Description } from './contract/description.ts'
import type { Golden } from './contract/golden.ts'
import type { ExecutionProvider } from './contract/names.ts'
import { SelvedgeError } from './errors.ts'
import { checkGolden, zeroInputs } from './golden.ts'
import type { Queue } from './queue.ts'
import type { ModelBytes, OpenSession, Session } from './session.ts'

export interface Lane {
  readonly provider: ExecutionProvider
  /** Why this provider, in words. */
  readonly why: string
  readonly session: Session
  readonly batcher: Batcher
}

export interface LaneOptions {
  openSession: OpenSession
  /** The queue of the device that a provider runs on, shared by all that runs there. */
  queueOf(provider: ExecutionProvider): Queue
}

/** What a lane is opened for. */
export interface Version {
  /** Digest that names it. */
  manifest: string
  description: Description
  golden?: Golden | undefined
}

/** A provider that gave wrong outputs. */
export interface ParityFailure {
  provider: ExecutionProvider
  largest: number
  flips: number
}

/**
 * The first provider that loads the version and gives its golden outputs.
 *
 * @throws {@link SelvedgeError} what kept the first one that is there from being used: `MODEL_INVALID`,
 * `OPERATOR_UNKNOWN`, `GOLDEN_MISMATCH`; `PROVIDER_UNAVAILABLE` where none is there
 */
export async function openFirst(
  bytes: ModelBytes,
  version: Version,
  providers: readonly ExecutionProvider[],
  options: LaneOptions,
): Promise<Lane> {
  const failures = openFailures()
  for (const provider of providers) {
    try {
      const session = await openTried(bytes, provider, options, (opened) =>
        warmUp(opened, version, options.queueOf(provider)),
      )
      const on = session.device === undefined ? provider : `${provider} on ${session.device}`
      const why = `${on} ${version.golden ? 'gives the golden outputs' : 'is the first that loads it'}`
      return laneOf(session, [why, ...failures.told], version, options)
    } catch (error) {
      failures.add(provider, error)
    }
  }
  throw failures.worst()
}

/**
 * The fastest provider that gives the golden outputs, and the next best as a spare; or the one that was the fastest when
 * it was last asked.
 *
 * @param version - with golden samples
 * @throws {@link SelvedgeError} as {@link openFirst}
 */
export async function openFastest(
  bytes: ModelBytes,
  version: Version & { golden: Golden },
  providers: readonly ExecutionProvider[],
  choices: KeptChoices,
  options: LaneOptions & { parityFailed(failure: ParityFailure): void },
): Promise<{ lane: Lane; spare?: Lane }> {
  const key = `${version.manifest} ${choices.host}`
  const kept = await choices.read(key)
  if (kept !== undefined && providers.includes(kept)) {
    try {
      const lane = await openFirst(bytes, version, [kept], options)
      return { lane: { ...lane, why: `${lane.why}, and was the fastest` } }
    } catch (error) {
      // What was right once is wrong now, such as after a driver's update: ask again.
      if (!(error instanceof SelvedgeError)) throw error
    }
  }
  const found = await compare(bytes, version, providers, options)
  await choices.write(key, found.lane.provider)
  return found
}

async function compare(
  bytes: ModelBytes,
  version: Version & { golden: Golden },
  providers: readonly ExecutionProvider[],
  options: LaneOptions & { parityFailed(failure: ParityFailure): void },
): Promise<{ lane: Lane; spare?: Lane }> {
  const sessions = new Map<Evidence, Session>()
  const failures = openFailures()
  for (const provider of providers) {
    try {
      let evidence: Evidence | undefined
      const session = await openTried(bytes, provider, options, async (opened) => {
        evidence = await tryProvider(opened, version.golden, version.description, options.queueOf(provider))
      })
      if (evidence !== undefined) sessions.set(evidence, session)
    } catch (error) {
      failures.add(provider, error)
    }
  }
  const evidence = [...sessions.keys()]
  for (const { provider, parity, medianMs } of evidence) {
    if (medianMs !== undefined) continue
    options.parityFailed({ provider, largest: parity.largest, flips: parity.flips })
    const message = `${parity.where} differs by ${parity.largest}`
    failures.add(provider, new SelvedgeError('GOLDEN_MISMATCH', message, { largest: parity.largest }))
  }
  const best = fastest(evidence)
  const next = fastest(evidence.filter((each) => each !== best))
  // A spare is for a lost device: it is of use where it has none to lose.
  const spare = best && next && sessions.get(best)?.lost && !sessions.get(next)?.lost ? next : undefined
  const lanes = new Map<Evidence, Lane>()
  for (const [each, session] of sessions) {
    if (each === best || each === spare)
      lanes.set(each, laneOf(session, [explain(each, evidence), ...failures.absent], version, options))
    else await session.close()
  }
  const lane = best && lanes.get(best)
  if (lane === undefined) throw failures.worst()
  const spareLane = spare && lanes.get(spare)
  return { lane, ...(spareLane && { spare: spareLane }) }
}

function laneOf(session: Session, why: readonly string[], { description }: Version, { queueOf }: LaneOptions): Lane {
  const batcher = openBatcher(session, queueOf(session.provider), description)
  return { provider: session.provider, why: why.join('; '), session, batcher }
}

async function openTried(
  bytes: ModelBytes,
  provider: ExecutionProvider,
  { openSession }: LaneOptions,
  attempt: (session: Session) => Promise<void>,
): Promise<Session> {
  const session = await openSession(bytes, provider)
  try {
    await attempt(session)
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}

/** Why providers were passed over. */
function openFailures() {
  const all: { provider: ExecutionProvider; error: SelvedgeError }[] = []
  const tell = (of: typeof all) => of.map(({ provider, error }) => `not ${provider}: ${error.message}`)
  return {
    add(provider: ExecutionProvider, error: unknown): void {
      if (!(error instanceof SelvedgeError)) throw error
      all.push({ provider, error })
    },
    get told() {
      return tell(all)
    },
    /** Without those whose evidence is told beside. */
    get absent() {
      return tell(all.filter(({ error }) => error.code !== 'GOLDEN_MISMATCH'))
    },
    /** The first that says something about the model; that a provider is absent says nothing. */
    worst(): SelvedgeError {
      const about = all.find(({ error }) => error.code !== 'PROVIDER_UNAVAILABLE') ?? all[0]
      return (
        about?.error ?? new SelvedgeError('PROVIDER_UNAVAILABLE', 'the version is made for no provider of this host')
      )
    },
  }
}

// A first run compiles and allocates; no visitor should wait for it.
async function warmUp(session: Session, { description, golden }: Version, queue: Queue): Promise<void> {
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
