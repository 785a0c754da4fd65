/** Outcomes beside what their units were answered before. */

/** What was predicted, and what came of it. */
export interface Joined {
  /** First 16 bytes of its HMAC, base64url. */
  unit: string
  /** When the outcome came. */
  at: string
  /** Cells of the outputs, in the order of the ProfileSpec. */
  cells: number[]
  values: Record<string, boolean | number | string>
}

/** Where the page before ended. */
export interface JoinedPlace {
  at: string
  unit: string
}

export interface JoinedQuery {
  /** Name of a value: it is joined with what its unit was answered before that was told. */
  outcome: string
  deployment: string
  version: number
  /** Of the ProfileSpec. */
  spec: string
  /** Outcomes from, included, and to, excluded. */
  from: string
  to: string
  before?: JoinedPlace | undefined
  /** Outcomes that are looked at, joined or not. */
  limit: number
}

export interface Outcomes {
  /**
   * The newest first: each outcome with the last prediction that its unit got before it, whoever gave it, where that was of
   * this deployment, version and spec. `next` is absent where nothing is left.
   */
  joined(endpoint: string, query: JoinedQuery): Promise<{ rows: Joined[]; next?: JoinedPlace }>
}
