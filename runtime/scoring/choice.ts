/** Choosing by evidence: which forms of a version on which providers give the golden outputs, and which is fastest. */

import type { Description } from '../contract/description.ts'
import type { Golden } from '../contract/golden.ts'
import type { ExecutionProvider } from '../contract/names.ts'
import type { Candidate } from '../delivery/candidates.ts'
import { goldenInputs, measureParity, type Parity } from './golden.ts'
import type { Queue } from './queue.ts'
import type { Session } from './session.ts'

/** What a try of one candidate showed. */
export interface Evidence {
  candidate: Candidate
  parity: Parity
  /** Median of some runs after the first; absent where the outputs were wrong. */
  medianMs?: number
}

/** A candidate by the words of a plan. */
export interface Named {
  /** Its id. */
  variant: string
  provider: ExecutionProvider
}

export interface KeptChoice extends Named {
  /** As {@link explain} said it. */
  why: string
  /** The fastest of those that passed and have no device to lose, where the chosen one has. */
  spare?: Named
}

/**
 * Where a host keeps its choices from start to start: for as long as all that the evidence depends on beside the version
 * is the same, which is the adapter and the version of ONNX Runtime.
 */
export interface KeptChoices {
  /** @param manifest - digest of the version's manifest */
  read(manifest: string): Promise<KeptChoice | undefined>
  write(manifest: string, choice: KeptChoice): Promise<void>
}

/** A candidate whose largest difference is over the version's tolerance, or which names another class, is never used. */
export function isWithin({ largest, flips }: Parity, golden: Golden): boolean {
  return largest <= golden.tolerance && flips === 0
}

export async function tryCandidate(
  candidate: Candidate,
  session: Session,
  golden: Golden,
  description: Description,
  queue: Queue,
): Promise<Evidence> {
  const parity = await measureParity(session, golden, queue, description)
  if (!isWithin(parity, golden)) return { candidate, parity }
  return { candidate, parity, medianMs: await medianRunMs(session, golden, queue) }
}

/** The fastest candidate whose outputs are right; undefined where none is. */
export function fastest(evidence: readonly Evidence[]): Evidence | undefined {
  const right = evidence.filter((each) => each.medianMs !== undefined)
  return right.sort((a, b) => (a.medianMs ?? 0) - (b.medianMs ?? 0))[0]
}

/**
 * Such as `webgpu fp16, 1.9 × wasm fp32, parity 2e-6`: how many times as fast as the next best, and the largest
 * difference.
 */
export function explain(chosen: Evidence, evidence: readonly Evidence[]): string {
  const { candidate, parity, medianMs = 0 } = chosen
  const next = fastest(evidence.filter((each) => each !== chosen))
  const against =
    next?.medianMs === undefined ? [] : [`${significant(next.medianMs / medianMs)} × ${next.candidate.name}`]
  const refused = evidence
    .filter((each) => each.medianMs === undefined)
    .map((each) => `${each.candidate.name} fails parity`)
  return [candidate.name, ...against, `parity ${exponent(parity.largest)}`, ...refused].join(', ')
}

/** A ratio as people read it: two digits. */
export function significant(ratio: number): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toPrecision(2)
}

const samplesWanted = 5
const mostMs = 300
// A page's clock may tell tenths of a millisecond only: short runs are timed several at a time.
const clearMs = 2
const mostAtATime = 256

async function medianRunMs(session: Session, golden: Golden, queue: Queue): Promise<number> {
  const inputs = goldenInputs(golden)
  const samples: number[] = []
  const began = performance.now()
  let runs = 1
  while (samples.length < samplesWanted && (samples.length === 0 || performance.now() - began < mostMs)) {
    const took = await queue.runAlways(async () => {
      const started = performance.now()
      for (let i = 0; i < runs; i++) await session.run(inputs)
      return performance.now() - started
    })
    if (took < clearMs && runs < mostAtATime) runs *= 4
    else samples.push(took / runs)
  }
  return samples.sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0
}

function exponent(value: number): string {
  return value === 0 ? '0' : value.toExponential(0)
}
