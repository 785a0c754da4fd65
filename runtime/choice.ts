/** Choosing an execution provider by evidence: which gives the golden outputs, and which of those is fastest. */
import type { Description } from './contract/description.ts'
import type { Golden } from './contract/golden.ts'
import type { ExecutionProvider } from './contract/names.ts'
import { goldenInputs, measureParity, type Parity } from './golden.ts'
import type { Queue } from './queue.ts'
import type { Session } from './session.ts'

/** What a try of one provider showed. */
export interface Evidence {
  provider: ExecutionProvider
  parity: Parity
  /** Median of some runs after the first; absent where the outputs were wrong. */
  medianMs?: number
}

/** Where a host keeps its choices from start to start. */
export interface KeptChoices {
  /** Everything beside the version that the evidence depends on: adapter and version of ONNX Runtime. */
  readonly host: string
  read(key: string): Promise<ExecutionProvider | undefined>
  write(key: string, provider: ExecutionProvider): Promise<void>
}

/** A provider whose largest difference is over the version's tolerance, or which names another class, is never used. */
export function isWithin({ largest, flips }: Parity, golden: Golden): boolean {
  return largest <= golden.tolerance && flips === 0
}

export async function tryProvider(
  session: Session,
  golden: Golden,
  description: Description,
  queue: Queue,
): Promise<Evidence> {
  const parity = await measureParity(session, golden, queue, description)
  if (!isWithin(parity, golden)) return { provider: session.provider, parity }
  return { provider: session.provider, parity, medianMs: await medianRunMs(session, golden, queue) }
}

/** The fastest provider whose outputs are right; undefined where none is. */
export function fastest(evidence: readonly Evidence[]): Evidence | undefined {
  const right = evidence.filter((each) => each.medianMs !== undefined)
  return right.sort((a, b) => (a.medianMs ?? 0) - (b.medianMs ?? 0))[0]
}

/** Such as `webgpu, 1.9 × wasm, parity 2e-6`: how many times as fast as the next best, and the largest difference. */
export function explain(chosen: Evidence, evidence: readonly Evidence[]): string {
  const { provider, parity, medianMs = 0 } = chosen
  const next = fastest(evidence.filter((each) => each !== chosen))
  const against = next?.medianMs === undefined ? [] : [`${significant(next.medianMs / medianMs)} × ${next.provider}`]
  const refused = evidence.filter((each) => each.medianMs === undefined).map((each) => `${each.provider} fails parity`)
  return [provider, ...against, `parity ${exponent(parity.largest)}`, ...refused].join(', ')
}

const leastRuns = 5
const mostMs = 300

async function medianRunMs(session: Session, golden: Golden, queue: Queue): Promise<number> {
  const inputs = goldenInputs(golden)
  const samples: number[] = []
  const began = performance.now()
  while (samples.length < leastRuns && (samples.length === 0 || performance.now() - began < mostMs)) {
    samples.push(
      await queue.runAlways(async () => {
        const started = performance.now()
        await session.run(inputs)
        return performance.now() - started
      }),
    )
  }
  return samples.sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0
}

function significant(ratio: number): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toPrecision(2)
}

function exponent(value: number): string {
  return value === 0 ? '0' : value.toExponential(0)
}
