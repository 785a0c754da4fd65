/** What is stored of an endpoint, piece by piece, for tools that read tables. */
import type { Source } from './days.ts'

/** What one sender counted in one minute. */
export interface ReportedProfile extends Source {
  deployment: string
  version: number
  /** Digest; empty where there is none. */
  spec: string
  counts: Record<string, number[]>
  outputs: Record<string, number[]>
}

/** A unit that a deployment answered on a day. */
export interface ExposedUnit {
  unit: string
  day: string
  deployment: string
  /** Of the plan with which the split came by which the unit was assigned; 0 where none is known. */
  revision: number
  at: string
  prediction?: { version: number; spec: string; cells: number[] }
}

/** Where the page before ended. */
export type ExposedPlace = Pick<ExposedUnit, 'unit' | 'day' | 'deployment' | 'revision'>

export interface Span {
  /** RFC 3339: from, included, to, excluded. */
  from: string
  to: string
}

export interface Exports {
  /** Minutes that have reports, in order. */
  minutes(endpoint: string, span: Span): Promise<string[]>
  profiles(endpoint: string, minute: string): Promise<ReportedProfile[]>
  /** In order of unit, day, deployment and revision. */
  exposures(endpoint: string, page: Span & { after?: ExposedPlace | undefined; limit: number }): Promise<ExposedUnit[]>
}
