/** Connection: what `connect` gives a page and a Node process alike (design, section 5). */
import type { Attributes } from './contract/audience.ts'
import type { ExecutionProvider } from './contract/names.ts'
import type { ProfileReport } from './contract/telemetry.ts'
import type { Answer } from './scoring/scorer.ts'
import type { Prediction } from './tensor/predictions.ts'
import type { Tensors } from './tensor/tensor.ts'

export interface ConnectOptions {
  /** Needed where the registry has tokens; in a page always a `page` token. */
  token?: string | undefined
  /** The key whose signature a plan must bear, `ed25519:…`, as `selvedge up` prints it; several while keys rotate. */
  key: string | readonly string[]
  /**
   * Whom an experiment counts: the same unit gets the same deployment on every host. Only its HMAC leaves the host.
   * Without one every request is assigned anew and counts for health, never for experiments.
   */
  unit?: string | undefined
  /** What an audience asks of the one whom it scores for; they stay on the host. */
  attributes?: Attributes | undefined
  /**
   * Restricts the execution providers, the preferred first: the first that gives the golden outputs is used. Without it a
   * page takes the fastest that does, a server the first of its own list.
   */
  providers?: readonly ExecutionProvider[] | undefined
}

export interface Timings {
  queueMs: number
  computeMs: number
  /** From the call to its answer. */
  totalMs: number
}

export interface CallOptions {
  /** In place of the connection's unit: for a process that scores for many users. */
  unit?: string | undefined
}

export type AnsweredBy = Omit<Answer, 'queueMs' | 'computeMs' | 'batch'> & {
  timings: Timings
  unit?: string | undefined
}

export type Scored = Prediction & AnsweredBy

export type Inferred = { outputs: Tensors } & AnsweredBy

/** One feature's value, or what a page can read an image from. */
export type RecordInput = Readonly<Record<string, unknown>>

export interface ConnectionState {
  /** Revision of the plan in force. */
  revision: number
  /** The plan has expired and no newer one could be fetched; it is served on. */
  stale: boolean
  /** Percent by deployment. */
  split: Record<string, number>
  /** Versions by deployment. */
  versions: Record<string, number>
  reported: {
    /** Rows that the registry has acknowledged in this life of the host. */
    rows: number
    /** RFC 3339; absent before the first report. */
    at?: string | undefined
    /** Windows and events that were dropped because too many waited. */
    dropped: number
    /** The counts in the newest acknowledged report. */
    profiles: readonly ProfileReport[]
  }
}

export interface Connection {
  /**
   * Scores one record, or several at once where the model has a free batch axis.
   *
   * @throws SelvedgeError `FEATURE_UNKNOWN`, `FEATURE_INVALID`, `NO_FEATURES`, `NO_TRAFFIC`, `QUEUE_FULL`,
   * `DEADLINE_EXCEEDED`, `HOST_CLOSED`
   */
  score(record: RecordInput, options?: CallOptions): Promise<Scored>
  score(records: readonly RecordInput[], options?: CallOptions): Promise<Scored[]>
  /**
   * Raw tensors in and out. The inputs stay the caller's, and must stay as they are until the answer is there: where a
   * worker dies meanwhile, they are sent once more.
   *
   * @throws SelvedgeError `INPUT_UNKNOWN`, `INPUT_MISSING`, `DATATYPE_MISMATCH`, `SHAPE_MISMATCH` and as `score`
   */
  infer(inputs: Tensors, options?: CallOptions): Promise<Inferred>
  /**
   * What became true later of the unit that was scored, joined to its exposure at the registry.
   *
   * @throws SelvedgeError `INVALID_REQUEST` where it was scored without a unit, and for what is no boolean, text of at most 256
   * characters or number from -10¹² to 10¹²
   */
  outcome(result: Pick<AnsweredBy, 'unit'>, values: Record<string, boolean | number | string>): Promise<void>
  state(): Promise<ConnectionState>
  /** Sends what was counted now instead of at the end of the interval; false where the registry could not be reached. */
  report(): Promise<boolean>
  /** Reports once more and gives everything back; every later call is refused with `HOST_CLOSED`. */
  close(): Promise<void>
}

/** The state that every host derives from its plan in the same way. */
export function splitPercent(ranges: readonly (readonly [string, number, number])[]): Record<string, number> {
  const percent: Record<string, number> = {}
  for (const [deployment, from, to] of ranges) {
    percent[deployment] = ((percent[deployment] ?? 0) * 10_000 + (to - from)) / 10_000
  }
  return percent
}
