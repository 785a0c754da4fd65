/**
 * A report of a host (`POST /api/v1/telemetry`). Its counts are all that the sender counted in the window so far, and the
 * report with the highest `seq` stands for the window: a repeat, a reorder or a lost message cannot count twice.
 * Exposures and outcomes are told once or more and kept once.
 */
import { z } from 'zod'
import { count, digest, executionProvider, name, timestamp } from './names.ts'

/**
 * Upper edges of the latency histogram in milliseconds, upper edge excluded; one more cell takes what is above. Half a
 * power of two apart, so that a ratio of 1.2 moves mass by about half a cell.
 */
export const latencyEdgesMs: readonly number[] = Array.from({ length: 32 }, (_, i) => 0.125 * 2 ** (i / 2))

/** 16 random bytes, base64url: one life of a host, never stored on the device. */
export const sender = z.string().regex(/^[A-Za-z0-9_-]{22}$/)

const cellsByFeature = z.record(z.string().min(1).max(160), z.array(count).max(11_000))

const triangleByFeature = z.record(z.string().min(1).max(160), z.array(count).max(1000))

/**
 * Of a host that scores for many units: pairs of its rows that one unit sent on one UTC day, of which at least the later is
 * of this window (`runtime/telemetry/pairs.ts`). Its rows without a unit are taken to be one unit's. A report that is lost takes its own
 * rows with it, and the pairs of which one is the later.
 */
const pairCounts = z.strictObject({
  /** Those that came with a unit. */
  rows: count,
  /** (unit, UTC day) whose first row came in this window. */
  clusters: count,
  /** Σ x·yᵀ over pairs in both orders: the lower triangle, row by row, of places as `openScores` has them; empty for zeros. */
  counts: triangleByFeature,
  outputs: triangleByFeature,
})

export type PairCounts = z.infer<typeof pairCounts>

/** Of the requests that named a deployment or a version: they are no samples of a rollout's guards. */
const pinnedCounts = z.strictObject({
  rows: count,
  outputs: cellsByFeature,
  latency: z.array(count).length(33),
  errors: z.record(z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/), count),
})

export type PinnedCounts = z.infer<typeof pinnedCounts>

export const profileReport = z.strictObject({
  deployment: name,
  version: z.int().min(1),
  variant: z.string().min(1).max(64),
  provider: executionProvider,
  device: z.enum(['desktop', 'mobile', 'server', 'edge']),
  /** Of the ProfileSpec that was counted against; absent where the version has none, and then counts are empty. */
  spec: digest.optional(),
  rows: count,
  /** Layout: see ProfileSpec. */
  counts: cellsByFeature,
  outputs: cellsByFeature,
  units: pairCounts.optional(),
  /** Cells of {@link latencyEdgesMs}; all 0 where the host's clock stands still while it computes. */
  latency: z.array(count).length(33),
  errors: z.record(z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/), count),
  /** A part of the rows, outputs, latency and errors; absent where there was none. */
  pinned: pinnedCounts.optional(),
})

export type ProfileReport = z.infer<typeof profileReport>

/** First 16 bytes of HMAC-SHA-256(plan.salt, unit), base64url; of an exposure, by the plan under which it was assigned. */
const unitHash = z.string().regex(/^[A-Za-z0-9_-]{22}$/)

/** What the unit was answered: the cell of each output, in the order of the ProfileSpec, never a number. */
const prediction = z.strictObject({
  version: z.int().min(1),
  spec: digest,
  cells: z.array(z.int().min(0).max(11_000)).max(16),
})

/** Absent in an exposure whose request had more rows than one, or none that was counted. */
export type CellPrediction = z.infer<typeof prediction>

/**
 * Upper edges of the differences between two versions' numbers, upper edge excluded: half a decade apart from 1e-7 on; one
 * more cell takes what is above, and what is no number.
 */
export const differenceEdges: readonly number[] = Array.from({ length: 20 }, (_, i) => 10 ** (-7 + i / 2))

/** What a deployment that shadows another would have answered: how far it was from what was answered, never an answer. */
export const shadowReport = z.strictObject({
  deployment: name,
  version: z.int().min(1),
  variant: z.string().min(1).max(64),
  provider: executionProvider,
  /** Who answered. */
  against: z.strictObject({ deployment: name, version: z.int().min(1) }),
  /** That were compared. */
  rows: count,
  /** Rows for which the two say different classes. */
  flips: count,
  /** Rows by the largest difference of two numbers: cells of {@link differenceEdges}. */
  differences: z.array(count).length(21),
  /** Sum of those differences in millionths, without those that are no number; each counts for at most 1,000. */
  differenceMillionths: count,
  /** Requests that were not asked again, since the host had other work. */
  skipped: count,
  /** Of the runs: cells of {@link latencyEdgesMs}. */
  latency: z.array(count).length(33),
  errors: z.record(z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/), count),
})

export type ShadowReport = z.infer<typeof shadowReport>

/** So that a square of sums of them is still a number. */
const largest = 1e12

/** What a host tells of a unit, by name. */
export const outcomeValues = z.record(
  z.string().min(1).max(128),
  z.union([z.boolean(), z.number().min(-largest).max(largest), z.string().max(256)]),
)

export type OutcomeValues = z.infer<typeof outcomeValues>

export const telemetryReport = z.strictObject({
  sender,
  /** Rises by at least one with each report of a sender. */
  seq: z.int().min(1),
  /** Start of the span of time that is counted, on a whole minute. */
  window: timestamp,
  endpoint: name,
  revision: z.int().min(1),
  profiles: z.array(profileReport).max(64),
  /** Absent where nothing shadowed. */
  shadows: z.array(shadowReport).max(64).optional(),
  exposures: z
    .array(
      z.strictObject({
        unit: unitHash,
        deployment: name,
        at: timestamp,
        /** Of the plan under which the unit was assigned; absent where it is the report's. */
        revision: z.int().min(1).optional(),
        prediction: prediction.optional(),
      }),
    )
    .max(2000),
  outcomes: z
    .array(
      z.strictObject({
        unit: unitHash,
        at: timestamp,
        values: outcomeValues,
      }),
    )
    .max(2000),
})

export type TelemetryReport = z.infer<typeof telemetryReport>

/** The registry's answer. */
export const telemetryReceipt = z.strictObject({
  /** False where this or a later report of the same sender was counted before. */
  counted: z.boolean(),
})
