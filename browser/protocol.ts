/** All that the page and its worker say to each other. */
import type { ConnectionState } from '../runtime/connection.ts'
import type { Attributes } from '../runtime/contract/audience.ts'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { Answer, ScorerEvent } from '../runtime/scoring/scorer.ts'
import type { Prediction } from '../runtime/tensor/predictions.ts'
import type { Tensors } from '../runtime/tensor/tensor.ts'

export interface OpenOptions {
  registry: string
  endpoint: string
  token: string | undefined
  attributes: Attributes | undefined
  keys: readonly string[]
  providers: readonly ExecutionProvider[] | undefined
  device: 'desktop' | 'mobile'
  /** A worker before this one died. */
  isReplacement: boolean
}

export interface WorkerApi {
  /** Holds a Web Lock for as long as the worker lives: whoever gets it then knows that the worker is dead. */
  hold(lock: string): Promise<void>
  /** Resolves after a real run of every deployment of the plan. */
  open(options: OpenOptions): Promise<void>
  score(
    records: readonly Readonly<Record<string, unknown>>[],
    unit: string | undefined,
  ): Promise<Answer & { predictions: Prediction[] }>
  /** @returns also the buffers of inputs that were read, this call's or earlier ones' */
  infer(inputs: Tensors, unit: string | undefined): Promise<Answer & { outputs: Tensors; spent: ArrayBuffer[] }>
  outcome(unit: string, values: Record<string, boolean | number | string>): Promise<void>
  state(): Promise<ConnectionState>
  report(): Promise<boolean>
  destroyDevice(): Promise<void>
  close(): Promise<void>
  /** Answers as long as the worker lives and is not inside a run. */
  ping(): Promise<void>
}

/** How far a load is. */
export interface Progress {
  phase: 'plan' | 'runtime' | 'download' | 'compile' | 'warm-up' | 'ready'
  deployment?: string
  doneBytes?: number
  totalBytes?: number
}

/** What befell a host; each is counted in its reports, too. */
export type ConnectionEvent = ScorerEvent | { type: 'worker_restarted'; why: string }

/** By which a worker knows that it was started for a trial (`trial.ts`). */
export const trialName = 'selvedge-trial'

/** What is not reported yet, as arguments of `fetch`: the page sends it when it goes, since its worker ends at once. */
export type Draft = [
  url: string,
  init: { method: 'POST'; keepalive: true; headers: Record<string, string>; body: string },
]

/** What a worker says unasked, beside Comlink's messages. */
export type Told =
  | { told: 'started' }
  | { told: 'progress'; progress: Progress }
  | { told: 'event'; event: ConnectionEvent }
  | { told: 'draft'; draft: Draft | undefined }

export function isTold(message: unknown): message is Told {
  return typeof message === 'object' && message !== null && 'told' in message
}
