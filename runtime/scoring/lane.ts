/** Lane: one session of a version and the requests that wait for it, opened on the candidate that evidence names. */

import type { Description } from '../contract/description.ts'
import type { Golden } from '../contract/golden.ts'
import type { ExecutionProvider } from '../contract/names.ts'
import type { PlanVariant } from '../contract/plan.ts'
import type { Resources } from '../contract/resources.ts'
import type { Candidate, Lacks } from '../delivery/candidates.ts'
import { type ErrorCode, SelvedgeError } from '../errors.ts'
import { type Batcher, openBatcher } from './batcher.ts'
import { type Evidence, explain, fastest, isWithin, type KeptChoices, type Named, tryCandidate } from './choice.ts'
import { measureParity, type Parity, zeroInputs } from './golden.ts'
import type { Queue } from './queue.ts'
import type { ModelBytes, OpenSession, Session } from './session.ts'

export interface Lane extends Candidate {
  /** Why this one, in words. */
  readonly why: string
  readonly session: Session
  readonly batcher: Batcher
}

export interface LaneOptions {
  openSession: OpenSession
  /** The queue of the device that a provider runs on, shared by all that runs there. */
  queueOf(provider: ExecutionProvider): Queue
  /** Without it every candidate is loaded and tried. */
  lacks?: Lacks | undefined
}

/** What a lane is opened for. */
export interface Version {
  description: Description
  golden?: Golden | undefined
  resources?: Resources | undefined
  /** Called for one variant after the other, so that nobody holds the bytes of two. */
  load(variant: PlanVariant): Promise<ModelBytes>
  parityFailed(failure: ParityFailure): void
}

/** A candidate that gave wrong outputs. */
export interface ParityFailure extends Named {
  largest: number
  flips: number
}

/**
 * The first candidate that loads and gives the version's golden outputs.
 *
 * @throws {@link SelvedgeError} what kept the first one that is there from being used: `MODEL_INVALID`,
 * `OPERATOR_UNKNOWN`, `GOLDEN_MISMATCH`; `PROVIDER_UNAVAILABLE` where none is there
 */
export async function openFirst(
  version: Version,
  candidates: readonly Candidate[],
  options: LaneOptions,
): Promise<Lane> {
  const failures = openFailures()
  for (const candidate of candidates) {
    try {
      const session = await openTried(candidate, version, options, (opened) =>
        warmUp(candidate, opened, version, options),
      )
      const on = session.device === undefined ? candidate.name : `${candidate.name} on ${session.device}`
      const why = `${on} ${version.golden ? 'gives the golden outputs' : 'is the first that loads it'}`
      return laneOf(candidate, session, [why, ...failures.told], version, options)
    } catch (error) {
      failures.add(candidate, error)
    }
  }
  throw failures.worst()
}

/**
 * The fastest candidate that gives the golden outputs, and a spare where that one may lose its device; or the one that
 * was the fastest when they were last compared.
 *
 * @param manifest - digest that names the version
 * @throws {@link SelvedgeError} as {@link openFirst}
 */
export async function openFastest(
  manifest: string,
  version: Version & { golden: Golden },
  candidates: readonly Candidate[],
  choices: KeptChoices,
  options: LaneOptions,
): Promise<{ lane: Lane; spare?: Lane }> {
  const kept = await choices.read(manifest)
  const candidate = kept && candidates.find((each) => isNamed(each, kept))
  if (candidate !== undefined) {
    try {
      const lane = await openFirst(version, [candidate], options)
      return { lane: { ...lane, why: `${kept?.why}; as last compared` } }
    } catch (error) {
      // What was right once is wrong now, such as after a driver's update: ask again.
      if (!(error instanceof SelvedgeError)) throw error
    }
  }
  const { lane, spare, isLasting } = await compare(version, candidates, options)
  if (isLasting) {
    const named = ({ variant, provider }: Candidate) => ({ variant: variant.id, provider })
    await choices.write(manifest, { ...named(lane), why: lane.why, ...(spare && { spare: named(spare) }) })
  }
  return { lane, ...(spare && { spare }) }
}

export function isNamed({ variant, provider }: Candidate, name: Named): boolean {
  return variant.id === name.variant && provider === name.provider
}

async function compare(
  version: Version & { golden: Golden },
  candidates: readonly Candidate[],
  options: LaneOptions,
): Promise<{ lane: Lane; spare?: Lane | undefined; isLasting: boolean }> {
  const all: Evidence[] = []
  const sessions = new Map<Evidence, Session>()
  const failures = openFailures()
  for (const { load, candidate } of byVariant(version, candidates)) {
    try {
      let evidence: Evidence | undefined
      const session = await openTried(candidate, { ...version, load }, options, async (opened) => {
        const queue = options.queueOf(candidate.provider)
        evidence = await tryCandidate(candidate, opened, version.golden, version.description, queue)
      })
      if (evidence === undefined) continue
      all.push(evidence)
      sessions.set(evidence, session)
      if (evidence.medianMs === undefined) failures.add(candidate, parityError(evidence, version))
    } catch (error) {
      failures.add(candidate, error)
    }
    const { best, spare } = pick(all, sessions)
    for (const [evidence, session] of sessions) {
      if (evidence === best || evidence === spare) continue
      sessions.delete(evidence)
      await session.close()
    }
  }
  const { best, spare } = pick(all, sessions)
  const open = (evidence: Evidence | undefined) => {
    const session = evidence && sessions.get(evidence)
    const why = evidence && [explain(evidence, all), ...failures.absent]
    return session && why && laneOf(evidence.candidate, session, why, version, options)
  }
  const lane = open(best)
  if (lane === undefined) throw failures.worst()
  return { lane, spare: open(spare), isLasting: failures.areLasting }
}

// All candidates of a variant follow one another, and its bytes are let go behind the last of them.
function* byVariant({ load }: Version, candidates: readonly Candidate[]) {
  for (const variant of new Set(candidates.map((each) => each.variant))) {
    let bytes: Promise<ModelBytes> | undefined
    const once = () => {
      bytes ??= load(variant)
      return bytes
    }
    for (const candidate of candidates) if (candidate.variant === variant) yield { candidate, load: once }
  }
}

// A spare is for a lost device: it is of use where it has none to lose.
function pick(all: readonly Evidence[], sessions: ReadonlyMap<Evidence, Session>) {
  const best = fastest(all)
  const isSafe = (each: Evidence) => sessions.has(each) && sessions.get(each)?.lost === undefined
  const spare = best && !isSafe(best) ? fastest(all.filter(isSafe)) : undefined
  return { best, spare }
}

function laneOf(
  candidate: Candidate,
  session: Session,
  why: readonly string[],
  { description, resources = {} }: Version,
  { queueOf }: LaneOptions,
): Lane {
  const settings = { rows: resources.batchRows, delayMs: resources.batchDelayMs }
  const batcher = openBatcher(session, queueOf(candidate.provider), description, settings)
  return { ...candidate, why: why.join('; '), session, batcher }
}

async function openTried(
  candidate: Candidate,
  { load, resources }: Pick<Version, 'load' | 'resources'>,
  { openSession, lacks }: LaneOptions,
  attempt: (session: Session) => Promise<void>,
): Promise<Session> {
  const lack = lacks?.(candidate)
  if (lack !== undefined) throw new SelvedgeError('PROVIDER_UNAVAILABLE', lack)
  const options = { threads: resources?.threads }
  const session = await openSession(await load(candidate.variant), candidate.provider, options)
  try {
    await attempt(session)
    return session
  } catch (error) {
    await session.close()
    throw error
  }
}

function parityError(
  { candidate, parity }: { candidate: Candidate; parity: Parity },
  { golden, parityFailed }: Version & { golden: Golden },
): SelvedgeError {
  const { largest, flips, where } = parity
  const { variant, provider, name } = candidate
  parityFailed({ variant: variant.id, provider, largest, flips })
  const far = `${where} on ${name} differs by ${largest}, at most ${golden.tolerance} allowed`
  const other = `${name} names another class for ${flips * 100} % of the golden rows`
  return new SelvedgeError('GOLDEN_MISMATCH', largest > golden.tolerance ? far : other, { largest })
}

/** Why candidates were passed over. */
function openFailures() {
  const all: { name: string; error: SelvedgeError }[] = []
  const tell = (of: typeof all) => {
    const names = new Map<string, string[]>()
    for (const { name, error } of of) names.set(error.message, [...(names.get(error.message) ?? []), name])
    return [...names].map(([message, each]) => `not ${each.join(', ')}: ${message}`)
  }
  return {
    add({ name }: Candidate, error: unknown): void {
      if (!(error instanceof SelvedgeError)) throw error
      all.push({ name, error })
    },
    get told() {
      return tell(all)
    },
    /** Without those whose evidence is told beside. */
    get absent() {
      return tell(all.filter(({ error }) => error.code !== 'GOLDEN_MISMATCH'))
    },
    /** Whether the next start would find the same. */
    get areLasting() {
      return !all.some(({ error }) => passing.includes(error.code))
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

const passing: readonly ErrorCode[] = ['REGISTRY_UNREACHABLE', 'DIGEST_MISMATCH', 'DEVICE_LOST']

// A first run compiles and allocates; no visitor should wait for it.
async function warmUp(
  candidate: Candidate,
  session: Session,
  version: Version,
  { queueOf }: LaneOptions,
): Promise<void> {
  const { description, golden } = version
  const queue = queueOf(candidate.provider)
  if (golden !== undefined) {
    const parity = await measureParity(session, golden, queue, description)
    if (!isWithin(parity, golden)) throw parityError({ candidate, parity }, { ...version, golden })
    return
  }
  const inputs = zeroInputs(description)
  if (inputs === undefined) return
  try {
    await queue.runAlways(() => session.run(inputs))
  } catch (error) {
    // Zeros may be no input that the network takes; only golden samples are.
    if (!(error instanceof SelvedgeError && error.code === 'RUN_FAILED')) throw error
  }
}
