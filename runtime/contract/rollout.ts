/**
 * Rollouts: planned steps of a split that advance while every guard holds and go back when one is broken (design,
 * sections 9 and 10). What decided stands in their history, with the numbers that it rests on.
 */
import { z } from 'zod'
import { split } from './control.ts'
import { count, name, timestamp } from './names.ts'

/** Whole seconds, minutes, hours or days. */
export const hold = z.string().regex(/^[1-9][0-9]{0,4}[smhd]$/, 'a whole number and s, m, h or d, such as 10m')

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3600_000, d: 24 * 3600_000 }

/** @param text - a {@link hold} */
export function holdMs(text: string): number {
  return Number(text.slice(0, -1)) * (unitMs[text.slice(-1)] ?? 0)
}

/** What may not become worse, compared between the deployment and the others that serve at the same time. */
export const guard = z.discriminatedUnion('metric', [
  /** Share of requests that failed may be higher by `margin`. */
  z.strictObject({ metric: z.literal('error_rate'), margin: z.number().min(0.0001).max(0.5).default(0.01) }),
  /** The 95th percentile of latency may be `ratio` times as long. */
  z.strictObject({ metric: z.literal('latency_p95'), ratio: z.number().min(1.05).max(10).default(1.2) }),
  /** Outputs may move by `limit` standard deviations of the baseline; both versions need one. */
  z.strictObject({ metric: z.literal('drift'), limit: z.number().min(0.02).max(5).default(0.2) }),
  /** Units come in the shares of the plan; can stop, and asks for no proof. */
  z.strictObject({ metric: z.literal('sample_ratio'), alpha: z.number().min(0.000_001).max(0.05).default(0.001) }),
  /** Share of hosts on which a provider gave other answers may be higher by `margin`; can stop, and asks for no proof. */
  z.strictObject({ metric: z.literal('parity'), margin: z.number().min(0.0001).max(0.5).default(0.01) }),
  /**
   * Mean over all units that came in the step may be worse by `margin`: of a truth value that hosts tell of them whether it
   * ever was true, of a number the sum, 0 of whom nothing was told.
   */
  z.strictObject({
    metric: z.literal('outcome'),
    name: z.string().min(1).max(128),
    margin: z.number().gt(0).max(1e12),
    better: z.enum(['higher', 'lower']).default('higher'),
  }),
])

export type Guard = z.infer<typeof guard>

export const rolloutBody = z.strictObject({
  deployment: name,
  /** Percent, rising; 100 completes the rollout, a smaller last one once it has passed. */
  steps: z.array(z.number()).min(1),
  /** Least time of a step. */
  hold: hold.default('10m'),
  /** Units of the deployment without which a step does not advance; what is proven worse goes back with fewer. */
  minUnits: z.int().min(0).max(1_000_000_000).default(500),
  /** Chance that a version that is no worse is taken back, over the whole rollout; sample ratios have their own. */
  alpha: z.number().min(0.000_001).max(0.5).default(0.05),
  /** Deals all units anew, so that nobody has the deployment because of an experiment before. */
  reshuffle: z.boolean().default(false),
  guards: z
    .array(guard)
    .max(16)
    .default([
      { metric: 'error_rate', margin: 0.01 },
      { metric: 'latency_p95', ratio: 1.2 },
      { metric: 'sample_ratio', alpha: 0.001 },
    ]),
  why: z.string().min(1).max(1024).optional(),
})

export type RolloutBody = z.infer<typeof rolloutBody>

export const rolloutState = z.enum(['running', 'paused', 'completed', 'reverted', 'aborted'])

export type RolloutState = z.infer<typeof rolloutState>

export function isUnderWay({ state }: { state: RolloutState }): boolean {
  return state === 'running' || state === 'paused'
}

export const rolloutPatch = z.strictObject({
  state: z.enum(['running', 'paused', 'aborted']),
  why: z.string().min(1).max(1024).optional(),
})

export const rollbackBody = z.strictObject({ why: z.string().min(1).max(1024).optional() })

const armFacts = z.object({
  /** Units, or spans of a server's time where it told of no units. */
  clusters: count,
  rows: count,
  mean: z.number(),
  /** Rows that tell as much as one independent row. */
  designEffect: z.number(),
})

const comparison = z.object({
  /** What was counted, such as `errors`, `above 45.3 ms`, `class, 7`. */
  name: z.string(),
  /** Of the deployment less the others; the ends of its confidence sequence are absent without rows. */
  difference: z.number(),
  low: z.number().optional(),
  high: z.number().optional(),
  margin: z.number(),
  /** α of this comparison over all looks of the step. */
  level: z.number(),
  green: armFacts,
  blue: armFacts,
})

export type GuardComparison = z.infer<typeof comparison>

export const guardResult = z.object({
  guard,
  /** `fine` and `worse` are proven at every look; `open` is neither. */
  verdict: z.enum(['fine', 'worse', 'open']),
  /** Whether the rollout waits for `fine`. */
  proves: z.boolean(),
  comparisons: z.array(comparison),
  /** Of `sample_ratio`: new units by deployment, and the shares that they came under. */
  ratio: z
    .object({
      units: z.record(name, count),
      shares: z.record(name, z.number()),
      logEvidence: z.number(),
      logThreshold: z.number(),
    })
    .optional(),
})

export type GuardResult = z.infer<typeof guardResult>

/** What a step rests on. */
export const rolloutEvidence = z.object({
  at: timestamp,
  /** Since when was counted. */
  since: timestamp,
  /** Of the deployment, heard in this step. */
  units: count,
  guards: z.array(guardResult),
})

export type RolloutEvidence = z.infer<typeof rolloutEvidence>

export const rolloutEntry = z.object({
  at: timestamp,
  action: z.enum(['started', 'advanced', 'completed', 'reverted', 'paused', 'resumed', 'aborted']),
  percent: z.number(),
  /** Of the plan from then on. */
  revision: z.int().min(1),
  /** Id of the token; absent for the operator on loopback and for the rollout itself. */
  by: z.string().optional(),
  why: z.string().optional(),
  /** Of `advanced`, `completed` and `reverted`. */
  evidence: rolloutEvidence.optional(),
})

export type RolloutEntry = z.infer<typeof rolloutEntry>

/** Of a step: whether its guards can ever be proven with the traffic there is. */
export const stepAdvice = z.object({
  percent: z.number(),
  /** Units of all deployments until an unchanged version is proven fine, about half of the time. */
  units: count.optional(),
  /** At the traffic of the last day; absent without any. */
  days: z.number().optional(),
  canPromote: z.boolean(),
})

export const rolloutAdvice = z.object({
  steps: z.array(stepAdvice),
  /** Steps that can, where some of those that were asked for cannot; empty where none can. */
  proposed: z.array(z.number()).optional(),
  text: z.string(),
})

export type RolloutAdvice = z.infer<typeof rolloutAdvice>

export const rollout = z.object({
  id: z.string(),
  endpoint: name,
  ...rolloutBody.shape,
  state: rolloutState,
  /** Place in `steps`, from 0. */
  step: count,
  percent: z.number(),
  stepStartedAt: timestamp,
  createdAt: timestamp,
  /** The split to which it goes back. */
  before: split,
  advice: rolloutAdvice,
  /** Of one that runs or is paused: what its guards say now, and what it waits for. */
  now: z.object({ evidence: rolloutEvidence, waits: z.array(z.string()) }).optional(),
  history: z.array(rolloutEntry),
})

export type Rollout = z.infer<typeof rollout>

/** Of rollouts, the newest first, those that one wants to see: the one under way, and the last that was taken back. */
export function notable<Told extends { state: RolloutState }>(rollouts: readonly Told[]): Told[] {
  const found = [rollouts.find(isUnderWay), rollouts.find(({ state }) => state === 'reverted')]
  return found.filter((rollout) => rollout !== undefined)
}
