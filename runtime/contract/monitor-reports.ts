/** What monitors of outcomes and of requests report, beside drift reports; any of them can be made again from its numbers. */
import { z } from 'zod'
import { block, directionDrift, driftReport, lack, monitor, outcome } from './monitor.ts'
import { count, digest, name, timestamp } from './names.ts'
import { performance } from './performance.ts'

const what = { endpoint: name, monitor, deployment: name, version: z.int().min(1), at: timestamp }

export const performanceReport = z.object({
  ...what,
  /** Of the ProfileSpec in whose cells the predictions are. */
  spec: digest,
  /** Start of the first window that it knows of. */
  from: timestamp,
  /** Of the monitor's `window`. */
  windows: count,
  /** Units with a prediction and an outcome, one a day. */
  rows: count,
  metric: z.enum(['accuracy', 'log_loss', 'mae']),
  verdict: outcome,
  lack: lack.optional(),
  block,
  /** Loss of one row in the baseline, of which two more are taken to be the worst: 1 for a wrong class, nats, distance. */
  baseline: z.object({ mean: z.number(), deviation: z.number(), rows: count }),
  /** The loss in the block, in standard deviations of the baseline; better than the baseline is 0. */
  loss: directionDrift,
  logEvidence: z.number(),
  logThreshold: z.number(),
  /** Of the block; intervals at 0.95. Shown beside the verdict, never used as a test. */
  measured: performance,
})

export type PerformanceReport = z.infer<typeof performanceReport>

/** A share of requests against its limit, in one window; between `low` and `high` it lies in all windows of a life. */
export const rateReport = z.object({
  part: z.enum(['errors', 'latency']),
  verdict: outcome,
  limit: z.number(),
  /** Requests that failed or were too slow, of all. */
  events: count,
  requests: count,
  /** Of the share, by reports of hosts, a minute each. */
  variance: z.number(),
  value: z.number(),
  low: z.number(),
  high: z.number(),
  /** Of latency: what counts as too slow, an edge of the histogram. */
  aboveMs: z.number().optional(),
})

export type RateReport = z.infer<typeof rateReport>

export const healthReport = z.object({
  ...what,
  /** Start of the window that ends at `at`. */
  from: timestamp,
  rows: count,
  verdict: outcome,
  rates: z.array(rateReport),
  /** Failed requests by code. */
  errors: z.record(z.string(), count),
})

export type HealthReport = z.infer<typeof healthReport>

/** Told apart by `monitor.signal`. */
export const monitorReport = z.union([performanceReport, healthReport, driftReport])

export type MonitorReport = z.infer<typeof monitorReport>
