/** What an endpoint's experiment found: the effect of one deployment over another on an outcome, true at every look. */
import { z } from 'zod'
import { count, name, ppm, timestamp } from './names.ts'

const interval = z.object({
  /** Treatment less control; or that as a share of control's mean. */
  value: z.number(),
  low: z.number(),
  high: z.number(),
})

const arm = z.object({
  /** That came first to this deployment while this split was in force. */
  units: count,
  /** Of them, those of which the outcome was told; of the others it counts as 0. */
  told: count,
  /** Of the outcome of a unit. */
  mean: z.number().optional(),
})

export const experiment = z.object({
  endpoint: name,
  /** Name of the value in outcomes: of a truth value, whether it ever was true; of a number, its sum over the unit. */
  outcome: z.string(),
  control: name,
  treatment: name,
  /** Chance that an interval misses, over all looks. */
  alpha: z.number(),
  from: timestamp,
  to: timestamp,
  /** Spans of one split and one salt in which both had traffic, the oldest first; they are never pooled. */
  splits: z.array(
    z.object({
      /** Of the plan with which it came; units belong to the split that assigned them, whenever they were told. */
      revision: z.int().min(1),
      from: timestamp,
      to: timestamp,
      shares: z.object({ control: ppm, treatment: ppm }),
      control: arm,
      treatment: arm,
    }),
  ),
  /** Absent while an arm has too few units for its mean to be normal. */
  effect: z.object({ absolute: interval, relative: interval.optional() }).optional(),
  /** Whether units came in the shares of the split; where not, the effect cannot be believed. */
  sampleRatio: z.object({ alarm: z.boolean(), logEvidence: z.number(), logThreshold: z.number() }),
})

export type Experiment = z.infer<typeof experiment>
