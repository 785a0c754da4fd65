/** Who counted when: what a reader of a report wants to know of the rows behind it. */
import type { Counted, SenderCounts } from './days.ts'

/** A report without its counts. */
export type Counting = Omit<SenderCounts, 'counts' | 'outputs' | 'units'>

/** As far as reports are kept. */
export interface Coverage {
  /** In the order of windows, of which those from `from`, included, to `to`, excluded. */
  counting(endpoint: string, counted: Counted, span: { from: string; to: string }): Promise<Counting[]>
}
