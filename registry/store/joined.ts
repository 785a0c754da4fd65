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

export interface JoinedQuery {
  deployment: string
  version: number
  /** Of the ProfileSpec. */
  spec: string
  /** Outcomes from, included, and to, excluded. */
  from: string
  to: string
  limit: number
}

export interface Outcomes {
  /**
   * In order of time: each outcome with the last prediction that its unit got before it, whoever gave it, where that was
   * of this deployment, version and spec. One a unit and UTC day: the last outcome that has the value.
   */
  joined(endpoint: string, value: string, query: JoinedQuery): Promise<Joined[]>
}
