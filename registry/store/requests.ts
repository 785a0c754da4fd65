/** Requests of a deployment as hosts counted them. */
import type { RequestCounts } from '../../runtime/performance/rates.ts'

export interface Requests {
  /** Each report by itself, of windows that begin from `from`, included, to `to`, excluded. */
  requests(
    endpoint: string,
    of: { deployment: string; version: number },
    span: { from: string; to: string },
  ): Promise<RequestCounts[]>
}
