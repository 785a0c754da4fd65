/** What an endpoint's experiment found: the effect of one deployment over another on an outcome, true at every look. */
import { z } from 'zod'
import { count, name, ppm, timestamp } from './names.ts'

const interval = z.object({
  /** Treatment less control; or that as a share of control's mean. */
  value: z.number(),
  low: z.number(),
  high: z.number(),
})

/** Absent while an arm has too few units for its mean to be normal. */
const effect = z.object({ absolute: interval, relative: interval.optional() })

const arm = z.object({
  /** That came first to this deployment by this split. */
  units: count,
  /** Of them, those of which the outcome was told: the coverage. Of the others it counts as 0. */
  told: count,
  /** Of the outcome of a unit. */
  mean: z.number().optional(),
})

const sampleRatio = z.object({ alarm: z.boolean(), logEvidence: z.number(), logThreshold: z.number() })

const look = z.object({
  at: timestamp,
  /** In all splits; who came in two counts twice. */
  units: z.object({ control: count, treatment: count }),
  effect: effect.optional(),
  /** Of the shares in which units came; an alarm from `sampleRatio.logThreshold` on. */
  logEvidence: z.number(),
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
  /** The newest splits in which both had traffic, the oldest first; they are never pooled. */
  splits: z.array(
    z.object({
      /** Of the plan with which it came; units belong to the split that dealt them, whenever they were told. */
      revision: z.int().min(1),
      from: timestamp,
      to: timestamp,
      shares: z.object({ control: ppm, treatment: ppm }),
      control: arm,
      treatment: arm,
      /** By deployment: units that no earlier split had dealt. Of them the sample ratio is. */
      newUnits: z.record(name, count),
      effect: effect.optional(),
    }),
  ),
  /** Splits before these in which both had traffic, too: nothing here is of them. */
  olderSplits: count,
  /** Of these splits, each by the inverse of its variance; who came in several counts as one. */
  effect: effect.optional(),
  /** Whether units came in the shares of the split; where not, the effect cannot be believed. */
  sampleRatio,
  /** Whether there were more units than are read: these are a random part of them. */
  isPart: z.boolean(),
  /** How it came to be, the oldest first; the last one is of now. */
  looks: z.array(look),
})

export type Experiment = z.infer<typeof experiment>
