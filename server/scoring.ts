/** Scoring: the port between the HTTP app and what scores, processes on Node or the isolate itself at the edge. */
import type { Attributes } from '../runtime/contract/audience.ts'
import type { Description } from '../runtime/contract/description.ts'
import type { ExecutionProvider } from '../runtime/contract/names.ts'
import type { Resources } from '../runtime/contract/resources.ts'
import type { Answer } from '../runtime/scoring/scorer.ts'
import type { HttpAnswer } from './http-answer.ts'

export interface Scoring {
  /** Names of the endpoints that are followed, sorted. */
  readonly endpoints: readonly string[]
  /** Undefined where the endpoint is not followed. */
  endpoint(name: string): EndpointState | undefined
  /** Whether the endpoints are known, and one of them, where there are any, can take requests. */
  readonly isReady: boolean
  /** What holds a run that goes astray, in words. */
  readonly guard: string
  /** Absent until a scorer tells. */
  readonly providers?: Providers | undefined
  /** That answer at once. */
  readonly scorerCount: number
  /** Scorers that were started in place of a dead one. */
  readonly restarts: number
  /** Resident memory of each process, where the system tells. */
  readonly memory: readonly { process: 'front' | 'scorer'; pid: number; bytes: number }[]
  /** Requests of an endpoint that wait or run. */
  waiting(endpoint: string): number
  /**
   * Before the body of a request is read.
   *
   * @throws SelvedgeError `NOT_READY`, `QUEUE_FULL`, `TOO_MANY_REQUESTS` where it would be refused
   */
  admit(request: Pick<RequestMeta, 'endpoint' | 'caller' | 'timeoutMs'>): void
  /**
   * One request to a followed endpoint.
   *
   * @param body - in pieces; once it is answered their memory may be given back
   * @throws SelvedgeError where no scorer could answer; what a scorer refuses is an answer
   */
  ask(
    type: 'infer' | 'score',
    meta: RequestMeta,
    body: readonly Uint8Array[],
    signal?: AbortSignal,
  ): Promise<ScoredAnswer>
}

/** The execution providers that are there, the preferred first, and why each of the others is not. */
export interface Providers {
  present: ExecutionProvider[]
  absent: Partial<Record<ExecutionProvider, string>>
}

/** An HTTP answer, and who gave it; absent where nobody did. */
export type ScoredAnswer = HttpAnswer & { by?: Answer | undefined; codec?: Codec | undefined }

/** What reading the request and writing the answer took. */
export interface Codec {
  decodeMs: number
  encodeMs: number
}

/** What of an HTTP request a scorer needs beside its body. */
export interface RequestMeta {
  endpoint: string
  version?: number | undefined
  unit?: string | undefined
  /** Whom it scores for, as far as an audience asks. */
  attributes?: Attributes | undefined
  deployment?: string | undefined
  /** `Inference-Header-Content-Length`. */
  headerLength?: number | undefined
  encoding?: 'gzip' | 'deflate' | undefined
  /** Who asks: requests are limited by caller, too. */
  caller?: string | undefined
  /** How long its caller waits, in ms. */
  timeoutMs?: number | undefined
  /** In which its caller takes the answer. */
  accepts?: 'gzip' | 'deflate' | undefined
}

export interface EndpointState {
  isReady: boolean
  revision: number | undefined
  /** The deployments of the plan in force; the one with most traffic first. */
  deployments: readonly { name: string; version: number; description: Description; resources?: Resources | undefined }[]
}
