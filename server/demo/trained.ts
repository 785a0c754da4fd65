/** What a sample's trainer hands over: the network, what it means, and rows to judge and describe it by. */
import type { Description } from '../../runtime/contract/description.ts'
import type { Sample } from './sample.ts'

export interface Rows {
  records: Readonly<Record<string, unknown>>[]
  /** Class of each record, by its place in the description's classes. */
  labels: number[]
}

export interface Trained {
  sample: Sample
  network: Uint8Array
  /** Without the figures that evaluation adds. */
  description: Description
  training: Rows
  /** Rows that the training has not seen. */
  heldBack: Rows
  /** Some of the rows held back, for golden.json. */
  golden: Rows['records']
}
