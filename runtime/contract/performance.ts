/** How good a deployment was: outcomes held against what their units were answered (design, section 10). */
import { z } from 'zod'
import { count, digest, name, timestamp } from './names.ts'

/** With the interval at the report's level. */
const estimate = z.object({ value: z.number(), low: z.number(), high: z.number() })

/** Predictions are cells of the profile: between these the number itself may lie. */
const range = z.object({ low: z.number(), high: z.number().optional() })

/** The second class is the positive one. */
const binary = z.object({
  rows: count,
  accuracy: estimate.optional(),
  precision: estimate.optional(),
  recall: estimate.optional(),
  auc: estimate.optional(),
  logLoss: estimate.optional(),
  logLossCells: range.optional(),
  /** Mean score minus share of positives. */
  bias: estimate.optional(),
  calibrationError: z.number().optional(),
  calibration: z.array(
    z.object({ low: z.number(), high: z.number(), rows: count, score: z.number(), positives: estimate }),
  ),
})

const classes = z.object({
  rows: count,
  accuracy: estimate.optional(),
  classes: z.array(
    z.object({ name: z.string(), rows: count, precision: estimate.optional(), recall: estimate.optional() }),
  ),
  macroPrecision: z.number().optional(),
  macroRecall: z.number().optional(),
})

const regression = z.object({
  rows: count,
  mae: estimate.optional(),
  rmse: estimate.optional(),
  cells: z.object({ mae: range, rmse: range }).optional(),
})

const estimated = z.object({
  rows: count,
  accuracy: estimate,
  precision: z.number().optional(),
  recall: z.number().optional(),
  auc: z.number().optional(),
  condition: z.literal('if the concept did not change'),
})

export const performance = z.object({
  /** Outcomes that name no class of the version, or no number. */
  unknown: count,
  /** Two classes with one score. */
  binary: binary.optional(),
  classes: classes.optional(),
  regression: regression.optional(),
})

export type Performance = z.infer<typeof performance>

export const performanceWindow = z.object({
  endpoint: name,
  deployment: name,
  version: z.int().min(1),
  /** Of the ProfileSpec in whose cells the predictions are. */
  spec: digest,
  from: timestamp,
  to: timestamp,
  /** Of the intervals, two-sided. */
  level: z.number(),
  /** Units whose outcome came in the window; absent where none did. */
  measured: performance.optional(),
  /** CBPE of the rows that were scored in the window; absent without rows or without outcomes of the baseline. */
  estimated: estimated.optional(),
})

export type PerformanceWindow = z.infer<typeof performanceWindow>
