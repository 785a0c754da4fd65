/** Guards: what hosts counted of two arms since a step began, and whether each thing is worse, fine or still open. */
import type { ProfileFeature } from '../contract/profile-spec.ts'
import type { Guard, GuardComparison, GuardResult } from '../contract/rollout.ts'
import { latencyEdgesMs } from '../contract/telemetry.ts'
import { totalOf } from '../drift/evidence.ts'
import { type Direction, openScores, type Scores } from '../drift/scores.ts'
import { type Arm, addCluster, openArm } from './arms.ts'
import { type Comparison, compare, type Rules, type Stratum } from './compare.ts'
import { tailOf } from './latency.ts'
import { sampleRatio } from './sample-ratio.ts'

/** What one unit's host, or a server in a span of time, counted with one provider. */
export interface Cluster {
  provider: string
  /** Requests that were answered, and that failed. */
  answered: number
  failed: number
  /** A provider gave other answers than the golden ones. */
  hasParityFailure: boolean
  /** Of those answered, by {@link latencyEdgesMs}. */
  latency: readonly number[]
  /** Cells by output, as in a report. */
  outputs: Readonly<Record<string, readonly number[]>>
}

export interface Side {
  clusters: readonly Cluster[]
  /** Of the version's baseline; none without one. */
  outputs: readonly ProfileFeature[]
}

/** What came of units, one value each. */
export interface Outcome {
  /** Each is 0 or 1. */
  isRate: boolean
  green: readonly number[]
  blue: readonly number[]
}

export interface Observed {
  green: Side
  blue: Side
  /** By name of the outcome. */
  outcomes: Readonly<Record<string, Outcome>>
  /** Units that came since the step began and never before, and the share of each deployment, 0 to 1. */
  newUnits: Readonly<Record<string, { units: number; share: number }>>
}

/** Guards that stop a rollout and ask for no proof: what they look for is rare, or is not a question of more or less. */
const stops: readonly Guard['metric'][] = ['sample_ratio', 'parity']

/** @param level - α of each guard in this step */
export function judgeGuards(guards: readonly Guard[], observed: Observed, level: number): GuardResult[] {
  return guards.map((guard) => ({ guard, proves: !stops.includes(guard.metric), ...judge(guard, observed, level) }))
}

/** α is shared by the guards and by the steps in which something is compared. */
export function levelOf(alpha: number, guards: readonly Guard[], steps: readonly number[]): number {
  const sharing = guards.filter(({ metric }) => metric !== 'sample_ratio').length
  return alpha / Math.max(1, sharing) / comparedSteps(steps)
}

/** Steps in which other deployments serve beside: all but the last, where that is everything. */
export function comparedSteps(steps: readonly number[]): number {
  return Math.max(1, steps.filter((percent) => percent < 100).length)
}

type Judged = Pick<GuardResult, 'verdict' | 'comparisons' | 'ratio'>

function judge(guard: Guard, observed: Observed, level: number): Judged {
  switch (guard.metric) {
    case 'error_rate':
      return ofOne('errors', observed, countFailures, { margin: guard.margin, level, isRate: true })
    case 'parity':
      return ofOne('hosts', observed, countParity, { margin: guard.margin, level, isRate: true })
    case 'latency_p95':
      return judgeLatency(observed, guard.ratio, level)
    case 'drift':
      return judgeOutputs(observed, guard.limit, level)
    case 'outcome':
      return judgeOutcome(guard, observed, level)
    case 'sample_ratio':
      return judgeRatio(observed, guard.alpha)
  }
}

/** Adds a cluster: its rows, and what is counted of them. */
type Count = (arm: Arm, cluster: Cluster) => void

const countFailures: Count = (arm, { answered, failed }) => addCluster(arm, answered + failed, failed)
const countParity: Count = (arm, { hasParityFailure }) => addCluster(arm, 1, hasParityFailure ? 1 : 0)

function ofOne(name: string, observed: Observed, count: Count, rules: Rules): Judged {
  const found = compare(strataOf(observed, count, count), rules)
  return { verdict: found.verdict, comparisons: [toComparison(name, found, rules.level)] }
}

function judgeLatency(observed: Observed, ratio: number, level: number): Judged {
  const { edge, place, blueShare, margin } = tailOf(latencySum(observed.blue), ratio)
  const greenShare = latencyEdgesMs.map((_, cell) => (cell > place ? 1 : 0)).concat(1)
  // Blue's requests that would be above the edge if each took `ratio` times as long: those above, and a part of a cell.
  const rules = { margin, level, isRate: true, spread: latencySpread }
  const found = compare(strataOf(observed, countAbove(greenShare), countAbove(blueShare)), rules)
  const name = `above ${Number(edge.toPrecision(3))} ms, against ${ratio} times the latency`
  return { verdict: found.verdict, comparisons: [toComparison(name, found, level)] }
}

/**
 * Of the requests whose latency was told.
 *
 * @param share - by cell, of its requests that count
 */
function countAbove(share: readonly number[]): Count {
  return (arm, { latency }) => addCluster(arm, sum(latency), totalOf(share, latency))
}

/** Difference of shares above the edge that is looked for. */
const latencySpread = 0.05

function judgeOutputs(observed: Observed, limit: number, level: number): Judged {
  const { green, blue } = observed
  const pairs = green.outputs.flatMap((own) => {
    const other = blue.outputs.find(({ name, kind }) => name === own.name && kind === own.kind)
    return other ? [{ own: openScores(own), other: openScores(isAlike(own, other) ? own : other) }] : []
  })
  const comparisons = pairs.flatMap(({ own, other }) => {
    const directions = own.directions.filter(isCompared)
    const weights = directions.reduce((total, { weight }) => total + weight, 0)
    return directions.flatMap((direction) => {
      const same = other.directions.find(({ name }) => name === direction.name)
      if (same === undefined) return []
      const share = direction.weight / weights / pairs.length
      const rules = { margin: limit, level: level * share, isRate: false, isTwoSided: true, spread: limit }
      const found = compare(strataOf(observed, scoreOf(own, direction), scoreOf(other, same)), rules)
      return [{ found, told: toComparison(`${own.name}, ${direction.name}`, found, rules.level) }]
    })
  })
  const verdicts = comparisons.map(({ found }) => found.verdict)
  const isFine = verdicts.length > 0 && verdicts.every((verdict) => verdict === 'fine')
  const verdict = verdicts.includes('worse') ? 'worse' : isFine ? 'fine' : 'open'
  return { verdict, comparisons: comparisons.map(({ told }) => told) }
}

// Counted against one scale where both versions have it; else each against its own, whose mean is 0 for its baseline.
function isAlike(a: ProfileFeature, b: ProfileFeature): boolean {
  const cells = (feature: ProfileFeature) =>
    JSON.stringify(feature.kind === 'numeric' ? [feature.edges, feature.points] : feature.values)
  return cells(a) === cells(b)
}

// Single bins and rows without a value would share the level among twenty; what moves them moves these.
function isCompared({ name, over, upwardsOnly }: Direction): boolean {
  return over === 'values' && !upwardsOnly && !/^bin \d+$/.test(name)
}

// Merging adds up cells, so each cell has a score of its own.
function scoreOf({ name, placeOf, bins }: Scores, { scores }: Direction): Count {
  const counts = placeOf.map((place) => (place < bins ? 1 : 0))
  const values = placeOf.map((place) => scores[place] ?? 0)
  return (arm, { outputs }) => {
    const cells = outputs[name]
    if (cells !== undefined) addCluster(arm, totalOf(counts, cells), totalOf(values, cells))
  }
}

function judgeOutcome(guard: Guard & { metric: 'outcome' }, { outcomes }: Observed, level: number): Judged {
  const { isRate, green, blue } = outcomes[guard.name] ?? { isRate: true, green: [], blue: [] }
  // How bad: of a rate the share without it.
  const badness = (value: number) => (guard.better === 'lower' ? value : isRate ? 1 - value : -value)
  const armOf = (values: readonly number[]) => {
    const arm = openArm()
    for (const value of values) addCluster(arm, 1, badness(value))
    return arm
  }
  const rules = { margin: guard.margin, level, isRate }
  const found = compare([{ green: armOf(green), blue: armOf(blue) }], rules)
  const isEnough = isRate || [green, blue].every((values) => values.filter((value) => value !== 0).length >= leastTold)
  const verdict = found.verdict === 'fine' && !isEnough ? 'open' : found.verdict
  return { verdict, comparisons: [toComparison(`${guard.name}, how much worse`, found, level)] }
}

/**
 * Units of each arm with a number other than 0, without which none is fine: a few small ones among many zeros have hardly any
 * variance, whatever the next may be.
 */
const leastTold = 20

function judgeRatio({ newUnits }: Observed, alpha: number): Judged {
  const served = Object.entries(newUnits).filter(([, { share }]) => share > 0)
  const found = sampleRatio(
    served.map(([, { units }]) => units),
    served.map(([, { share }]) => share),
    alpha,
  )
  return {
    verdict: found.alarm ? 'worse' : 'fine',
    comparisons: [],
    ratio: {
      units: Object.fromEntries(served.map(([name, { units }]) => [name, units])),
      shares: Object.fromEntries(served.map(([name, { share }]) => [name, share])),
      logEvidence: found.logEvidence,
      logThreshold: found.logThreshold,
    },
  }
}

/** Providers apart: one that is slower or fails more is more common in one arm by chance, or by what it runs on. */
function strataOf({ green, blue }: Observed, countGreen: Count, countBlue: Count): Stratum[] {
  const strata = new Map<string, Stratum>()
  const stratumOf = (provider: string) => {
    const held = strata.get(provider) ?? { green: openArm(), blue: openArm() }
    strata.set(provider, held)
    return held
  }
  for (const cluster of green.clusters) countGreen(stratumOf(cluster.provider).green, cluster)
  for (const cluster of blue.clusters) countBlue(stratumOf(cluster.provider).blue, cluster)
  return [...strata.values()]
}

function latencySum({ clusters }: Side): number[] {
  const total = new Array<number>(latencyEdgesMs.length + 1).fill(0)
  for (const { latency } of clusters) {
    for (let cell = 0; cell < total.length; cell++) total[cell] = (total[cell] ?? 0) + (latency[cell] ?? 0)
  }
  return total
}

function toComparison(name: string, found: Comparison, level: number): GuardComparison {
  const { difference, low, high, margin, green, blue } = found
  const ends = Number.isFinite(low) && Number.isFinite(high) && { low, high }
  return { name, difference, ...ends, margin, level, green, blue }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
