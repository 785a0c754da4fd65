/** Monitors of an endpoint and the reports that they give (design, sections 9 and 10). */
import { z } from 'zod'
import { count, digest, name, timestamp } from './names.ts'
import { profileFeature } from './profile-spec.ts'

/** Whole minutes, hours or days: `15m`, `1h`, `7d`. */
export const duration = z.string().regex(/^[1-9][0-9]{0,4}[mhd]$/, 'a whole number and m, h or d, such as 1h')

const unitMs = { m: 60_000, h: 3600_000, d: 24 * 3600_000 }

/** @param text - a {@link duration} */
export function durationMs(text: string): number {
  const unit = text.at(-1)
  return Number(text.slice(0, -1)) * unitMs[unit === 'm' || unit === 'h' ? unit : 'd']
}

export const seasonMs = { none: 0, day: unitMs.d, week: 7 * unitMs.d } as const

const featureName = z.string().min(1).max(160)

export const monitorBody = z
  .strictObject({
    /**
     * `drift`: values and outputs against the baseline; `quality`: values that are missing, of a wrong type or outside of
     * the baseline's range; `performance`: outcomes against predictions; `health`: failed and slow requests.
     */
    signal: z.enum(['drift', 'quality', 'performance', 'health']).default('drift'),
    /** How often the evidence is looked at; a thousand windows are a monitor's life. */
    window: duration.default('1h'),
    /** Promise of an operator whose senders are a few servers: rows so far apart are unrelated. Their window is this one. */
    block: duration.default('1h'),
    /** What comes and goes by itself: only blocks of whole seasons are tested. */
    season: z.enum(['none', 'day', 'week']).default('day'),
    /** Of the version, or a span of time: its rows, or for `performance` its outcomes. Then the life begins at its end. */
    baseline: z.union([z.literal('training'), z.strictObject({ from: timestamp, to: timestamp })]).default('training'),
    /** Chance of a false alarm over the monitor's whole life, all features together. */
    alpha: z.number().min(0.000_001).max(0.5).default(0.05),
    /** Of `performance`: name of the value in outcomes that says what was true. */
    outcome: z.string().min(1).max(128).optional(),
    /** Of `performance`. Default: accuracy of classes, mean absolute error of numbers. */
    metric: z.enum(['accuracy', 'log_loss', 'mae']).optional(),
    /** All of the version's where absent; outputs are monitored always. */
    features: z.array(featureName).min(1).max(1000).optional(),
    limits: z
      .strictObject({
        /** Standard deviations of the baseline by which a mean may move. */
        location: z.number().min(0.01).max(10).default(0.2),
        /** Share of rows that may be missing, invalid or outside of the baseline's range beyond its own. */
        missing: z.number().min(0.001).max(1).default(0.05),
        /** How much worse the metric may get: share of wrong classes, nats, or of mae a share of the baseline's. */
        loss: z.number().min(0.001).max(10).default(0.05),
        /** Share of requests that may fail. */
        errors: z.number().min(0.0001).max(0.5).default(0.01),
        /** Most milliseconds that 19 of 20 requests may take; absent where any time will do. Histograms end at 5,793. */
        latencyMs: z.number().min(1).max(5000).optional(),
      })
      .default({ location: 0.2, missing: 0.05, loss: 0.05, errors: 0.01 }),
    /** Webhooks that get its alarms and their ends, whatever types they list. */
    tell: z.array(name).max(8).optional(),
  })
  .refine(
    ({ window, block, season }) => [window, block].every((each) => hasWholeSeasons(each, season)),
    'a season is a whole number of windows and of blocks, or they are a whole number of seasons',
  )

export type MonitorBody = z.infer<typeof monitorBody>

export const monitor = z.object({
  name,
  ...monitorBody.shape,
  /** Absent for the one that every endpoint with a baseline has. */
  createdAt: timestamp.optional(),
})

export type Monitor = z.infer<typeof monitor>

export const outcome = z.enum(['drift', 'no_drift', 'insufficient'])

const bracket = z.object({ low: z.number(), high: z.number() })

/** What a block of rows says in one direction: a score by bin with mean 0 and variance 1 in the baseline. */
export const directionDrift = z.object({
  /** `location`, `scale`, a bin or level, `rare`, `missing`, `invalid`, `outside`. */
  name: z.string(),
  weight: z.number(),
  rows: count,
  baselineRows: count,
  /** In standard deviations, with the half width of its confidence sequence; no radius without rows. */
  mean: z.number(),
  radius: z.number().optional(),
  limit: z.number(),
  /** Of the sum of scores. */
  variance: z.number(),
  designEffect: z.number(),
})

/** So many more rows, senders, units or windows, or baseline rows in all. */
export const lack = z.object({
  what: z.enum(['rows', 'senders', 'units', 'unrelated windows', 'baseline rows']),
  count,
})

/** The windows that a verdict stands on. */
export const block = z.object({ from: timestamp, to: timestamp, rule: z.enum(['start', 'late']) })

export const featureDrift = z.object({
  name: featureName,
  verdict: outcome,
  /** What it lacks, of an `insufficient`. */
  lack: lack.optional(),
  /** `start`: all since the monitor's life began. `late`: the last windows, whose evidence has to be a thousandfold. */
  block,
  /** Edges or values, and the baseline's counts. */
  profile: profileFeature,
  /** The baseline's counts where it is a past span of time, divided by its design effect. */
  baseline: z.array(count).optional(),
  /** Of the block's rows, cell by cell as in `profile`. */
  counts: z.array(count),
  /** Pairs of a sender or unit and a day in the block, or spans of unrelated windows. */
  clusters: count,
  logEvidence: z.number(),
  logThreshold: z.number(),
  directions: z.array(directionDrift),
  /** Effect sizes: shown beside the verdict, never used as tests. Absent without rows. */
  effects: z
    .object({
      /** With `add` rows added to each cell on both sides. */
      psi: z.object({ value: z.number(), add: z.number() }),
      jensenShannon: z.number(),
      lInfinity: z.number(),
      /** Of numbers. */
      ks: bracket.optional(),
      wasserstein: z.number().optional(),
      overflow: z.object({ below: z.number(), above: z.number() }).optional(),
    })
    .optional(),
})

export type FeatureDrift = z.infer<typeof featureDrift>

export const driftReport = z.object({
  endpoint: name,
  monitor,
  deployment: name,
  version: z.int().min(1),
  /** Of the ProfileSpec that was counted against. */
  spec: digest,
  at: timestamp,
  /** Start of the first window that it knows of. */
  from: timestamp,
  /** Of the monitor's `window`, or of its `block` where the clusters are windows. */
  windows: count,
  rows: count,
  /** Rows that page tokens reported, which anyone can read in a page; absent where there are none. */
  untrusted: count.optional(),
  /** Different ones of each UTC day. */
  senders: count,
  /**
   * Whose rows may be alike: a sender's of one day; those of one unit on one day, where servers told them apart; or, where
   * they are a few that did not, those of a window, which holds while rows a window apart are unrelated.
   */
  clustering: z.enum(['senders', 'units', 'windows']),
  verdict: outcome,
  features: z.array(featureDrift),
  outputs: z.array(featureDrift),
})

export type DriftReport = z.infer<typeof driftReport>

/** A look of the registry at the end of a window; its whole report is kept for a while, too. */
export const monitorLook = z.object({
  endpoint: name,
  monitor: name,
  deployment: name,
  version: z.int().min(1),
  /** End of the last window that it knows. */
  at: timestamp,
  verdict: outcome,
  rows: count,
  /** As an alarm names them, with the evidence of those that have one. */
  parts: z.array(
    z.object({
      part: z.string(),
      verdict: outcome,
      logEvidence: z.number().optional(),
      logThreshold: z.number().optional(),
    }),
  ),
})

export type MonitorLook = z.infer<typeof monitorLook>

/** An alarm latches at `drift` and clears by `no_drift`. */
export const alarm = z.object({
  endpoint: name,
  monitor: name,
  deployment: name,
  version: z.int().min(1),
  /** `features/<name>`, `outputs/<name>`, a metric, `errors`, `latency`; empty for the monitor as a whole, which is in alarm while any part is. */
  part: z.string(),
  state: z.enum(['alarm', 'calm']),
  since: timestamp,
})

function hasWholeSeasons(window: string, season: keyof typeof seasonMs): boolean {
  const [short, long] = [durationMs(window), seasonMs[season]].sort((a, b) => a - b)
  return short === 0 || (long ?? 0) % (short ?? 1) === 0
}
