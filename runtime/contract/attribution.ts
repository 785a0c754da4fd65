/** Where a drift comes from: inputs, the version or an execution provider; and which features go with it. */
import { z } from 'zod'
import { count, digest, executionProvider, name, timestamp } from './names.ts'

/** `differ` and `alike` by the evidence and limits of the monitor; `open` where rows are too few to tell. */
const likeness = z.enum(['differ', 'alike', 'open'])

export type Likeness = z.infer<typeof likeness>

/** Rows of one provider less those of all others, in one direction. */
const difference = z.object({
  /** `features/<name>` or `outputs/<name>`. */
  part: z.string(),
  /** As a drift report names them. */
  direction: z.string(),
  /** Standard deviations of the baseline. */
  difference: z.number(),
  /** Half the width of its confidence sequence. */
  radius: z.number(),
  limit: z.number(),
})

const providerShare = z.object({
  provider: executionProvider,
  rows: count,
  inputs: likeness,
  outputs: likeness,
  /** What differs most by its limit, of inputs and of outputs. */
  differences: z.array(difference),
  /** Its inputs are those of the others and its outputs are not, and are farther from the baseline. */
  isCause: z.boolean(),
})

const explainingFeature = z.object({
  name: z.string(),
  direction: z.string(),
  /** Standard deviations of the baseline in the block of its report. */
  shift: z.number(),
  /** Of its mean and the output's over windows, by rows; absent with fewer than five windows. */
  correlation: z.number().optional(),
  /** By which they are ranked: the shift's size, times that of the correlation where there is one. */
  score: z.number(),
})

export const attribution = z.object({
  endpoint: name,
  monitor: name,
  deployment: name,
  version: z.int().min(1),
  /** Of the ProfileSpec. */
  spec: digest,
  /** The rows that were compared: those of the latest block that drifts. */
  from: timestamp,
  to: timestamp,
  /**
   * `input`: features drift. `provider`: one gives other outputs on the same inputs. `version`: outputs drift for every
   * provider, and no feature does. Empty where there is no drift, or nothing can be told.
   */
  causes: z.array(z.enum(['input', 'provider', 'version'])),
  /** Those with rows; compared where there are several. */
  providers: z.array(providerShare),
  /** Of each output that drifts, features ranked; an association from counts alone, which no cause needs to stand behind. */
  explained: z.array(
    z.object({
      output: z.string(),
      method: z.enum(['shift and co-movement', 'shift']),
      features: z.array(explainingFeature),
    }),
  ),
})

export type Attribution = z.infer<typeof attribution>
