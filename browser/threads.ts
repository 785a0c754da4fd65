/**
 * How many threads ONNX Runtime takes on WASM: several where they were measured to pay, else one. It takes their number
 * once a worker, so others are tried in workers of their own (`trial.ts`) while the host rests, and the next start takes
 * what paid. On two cores, two threads took 2 to 5 times as long as one (measured with a face detector).
 */

import type { Plan, PlanDeployment, PlanVariant } from '../runtime/contract/plan.ts'
import { SelvedgeError } from '../runtime/errors.ts'
import { significant } from '../runtime/scoring/choice.ts'
import type { Answer } from '../runtime/scoring/scorer.ts'

export interface Threads {
  /**
   * How many this worker takes: several where they paid for every version of the plan. The first plan settles it.
   *
   * Until {@link served}, what was kept is forgotten: a start that they break is followed by one without them.
   */
  take(plan: Plan): Promise<number>
  /** These answer now, on WASM: what was never tried is tried later, each when the host rests. */
  served(subjects: readonly Subject[]): void
  /** What a page waits for: a trial under way is given up for it, and its answer tells of the threads. */
  during<Given extends Answer>(run: () => Promise<Given>): Promise<Given>
  close(): void
}

/** A version as it is served. */
export interface Subject {
  plan: Plan
  deployment: PlanDeployment
  variant: PlanVariant
}

export type ThreadTrial =
  | {
      threads: number
      /** Median runs, with one thread and with so many. */
      oneMs: number
      manyMs: number
    }
  | {
      /** Why there is no time, in words. */
      lack: string
    }

/** Where trials are kept from start to start, for as long as all that they depend on beside the version is the same. */
export interface KeptTrials {
  /** @param manifest - digest of the version's manifest */
  read(manifest: string): Promise<ThreadTrial | undefined>
  write(manifest: string, trial: ThreadTrial): Promise<void>
  forget(manifest: string): Promise<void>
}

export interface ThreadsOptions {
  /** What is tried beside one thread; 1 where this worker can have no others. */
  most: number
  kept: KeptTrials
  /** Whether this worker may start others: a policy may have changed since they were tried. */
  canStart(): Promise<boolean>
  /**
   * Median run in ms, once the golden outputs were right.
   *
   * @throws SelvedgeError also `GOLDEN_MISMATCH`, `DEADLINE_EXCEEDED`, `WORKER_UNAVAILABLE`; the signal's reason
   */
  measure(subject: Subject, threads: number, signal: AbortSignal): Promise<number>
  /** How long nothing may have run before a trial starts, in ms. */
  restMs: number
  failed(error: unknown): void
}

/** Two trials load the model once more each; a tab that the system ends for its memory was disturbed. */
const mostModelBytes = 100 * 1024 * 1024
const mostAttempts = 3
// Threads take cores from the page itself: a tenth is too little for that.
const leastGain = 1.1

/** What is worth a trial: half of the cores, at most four, as ONNX Runtime itself takes; of two cores both. */
export function threadsToTry(isIsolated: boolean, cores: number): number {
  return isIsolated && cores > 1 ? Math.min(4, Math.max(2, Math.ceil(cores / 2))) : 1
}

export function openThreads({ most, kept, canStart, measure, restMs, failed }: ThreadsOptions): Threads {
  /** By digest of the manifest. */
  const trials = new Map<string, ThreadTrial>()
  /** Digests of those that answer on WASM, by deployment. */
  const manifests = new Map<string, string>()
  const closing = new AbortController()
  let taken: Promise<number> | undefined
  let count = 1
  let ranAt = performance.now()
  let trying: AbortController | undefined
  let queued: Promise<void> = Promise.resolve()

  async function choose({ deployments }: Plan): Promise<number> {
    if (most === 1) return 1
    for (const { manifest } of deployments) {
      const trial = await kept.read(manifest)
      if (trial !== undefined) trials.set(manifest, trial)
    }
    const pays = deployments.every(({ manifest }) => isWorth(trials.get(manifest), most))
    if (!pays || !(await canStart())) return 1
    for (const { manifest } of deployments) await kept.forget(manifest)
    count = most
    return most
  }

  async function tryOut(subject: Subject): Promise<void> {
    const { manifest } = subject.deployment
    const known = trials.get(manifest) ?? (await kept.read(manifest))
    const trial = known ?? (await tryAtRest(subject))
    if (trial === undefined) return
    trials.set(manifest, trial)
    await kept.write(manifest, trial)
  }

  // What a run disturbed is no trial.
  async function tryAtRest(subject: Subject): Promise<ThreadTrial | undefined> {
    if (!isTriable(subject)) return
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      await rest()
      if (closing.signal.aborted) return
      trying = new AbortController()
      try {
        return await compare(subject, trying.signal)
      } catch (error) {
        if (!trying.signal.aborted) throw error
      } finally {
        trying = undefined
      }
    }
  }

  async function compare(subject: Subject, signal: AbortSignal): Promise<ThreadTrial> {
    try {
      const oneMs = await measure(subject, 1, signal)
      return { threads: most, oneMs, manyMs: await measure(subject, most, signal) }
    } catch (error) {
      if (error instanceof SelvedgeError && isLasting(error) && !signal.aborted) return { lack: error.message }
      throw error
    }
  }

  async function rest(): Promise<void> {
    for (;;) {
      const leftMs = ranAt + restMs - performance.now()
      if (leftMs <= 0 || closing.signal.aborted) return
      await new Promise((resolve) => setTimeout(resolve, leftMs))
    }
  }

  function disturb(): void {
    ranAt = performance.now()
    trying?.abort()
  }

  function tell<Given extends Answer>(answer: Given): Given {
    const manifest = answer.provider === 'wasm' ? manifests.get(answer.deployment) : undefined
    const trial = manifest && trials.get(manifest)
    const told = trial && explainThreads(trial, count)
    return told === undefined ? answer : { ...answer, why: `${answer.why}; ${told}` }
  }

  return {
    take(plan) {
      taken ??= choose(plan)
      return taken
    },
    served(subjects) {
      if (most === 1) return
      for (const { deployment } of subjects) manifests.set(deployment.name, deployment.manifest)
      for (const subject of subjects) queued = queued.then(() => tryOut(subject)).catch(failed)
    },
    async during(run) {
      disturb()
      try {
        return tell(await run())
      } finally {
        disturb()
      }
    },
    close() {
      closing.abort()
      trying?.abort()
    },
  }
}

/** Such as `2 threads 1.6 × one`, of a worker that took `count`; undefined where the trial does not tell of that. */
export function explainThreads(trial: ThreadTrial, count: number): string | undefined {
  if ('lack' in trial) return count === 1 ? `one thread: ${trial.lack}` : undefined
  const { threads, oneMs, manyMs } = trial
  if (isWorth(trial, threads)) {
    return count === threads ? `${threads} threads ${significant(oneMs / manyMs)} × one` : undefined
  }
  return count === 1 ? `one thread: ${threads} threads took ${significant(manyMs / oneMs)} × as long` : undefined
}

function isWorth(trial: ThreadTrial | undefined, threads: number): boolean {
  if (trial === undefined || 'lack' in trial) return false
  return trial.threads === threads && trial.oneMs >= trial.manyMs * leastGain
}

// Without golden samples nobody would know whether the threads answer right.
function isTriable({ deployment, variant }: Subject): boolean {
  return deployment.golden !== undefined && variant.files.reduce((sum, { size }) => sum + size, 0) <= mostModelBytes
}

// Others may go by: a network that is away, a version that the registry deleted.
function isLasting({ code }: SelvedgeError): boolean {
  return code === 'GOLDEN_MISMATCH' || code === 'DEADLINE_EXCEEDED' || code === 'WORKER_UNAVAILABLE'
}
