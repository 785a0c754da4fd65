/** All that the page and its worker say to each other. */

import type { ConnectionState } from '../runtime/connection.ts'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { Prediction } from '../runtime/features.ts'
import type { Answer } from '../runtime/scorer.ts'
import type { Tensors } from '../runtime/tensor.ts'

export interface OpenOptions {
  registry: string
  endpoint: string
  token: string | undefined
  keys: readonly string[]
  providers: readonly ExecutionProvider[] | undefined
  device: 'desktop' | 'mobile'
}

export interface WorkerApi {
  /** Resolves after a real run of every deployment of the plan. */
  open(options: OpenOptions): Promise<void>
  score(
    records: readonly Readonly<Record<string, unknown>>[],
    unit: string | undefined,
  ): Promise<Answer & { predictions: Prediction[] }>
  infer(inputs: Tensors, unit: string | undefined): Promise<Answer & { outputs: Tensors }>
  outcome(unit: string, values: Record<string, boolean | number | string>): Promise<void>
  state(): Promise<ConnectionState>
  report(): Promise<boolean>
  close(): Promise<void>
  /** Answers as long as the worker lives and is not inside a run. */
  ping(): Promise<void>
}
