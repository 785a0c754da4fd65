/**
 * Green against blue at the same time: a difference of means with its confidence sequence, stratified, clustered by unit.
 * An arm in which little happened looks precise, so its variance is taken where it would be if it were as bad as the margin
 * allows: the plain one promoted wrongly in up to 64 % of runs (evidence, section 8).
 */
import { type Arm, meanOf, spreadOf, sumArms } from './arms.ts'
import { radius } from './sequence.ts'

export interface Stratum {
  green: Arm
  blue: Arm
}

export interface Rules {
  /** What green may be worse by, in units of the mean. */
  margin: number
  /** α over all looks. */
  level: number
  /** Each row counts 0 or 1. */
  isRate: boolean
  /** Less is as bad as more. */
  isTwoSided?: boolean
  /** Standard deviation of the differences that are looked for. Default: {@link usualSpread}. */
  spread?: number
}

export interface Comparison {
  /** Green less blue. */
  difference: number
  /** Difference less, and more, half the width of its confidence sequence. */
  low: number
  high: number
  margin: number
  green: ArmFacts
  blue: ArmFacts
  /** `worse`: beyond the margin. `fine`: within it. */
  verdict: 'worse' | 'fine' | 'open'
}

export interface ArmFacts {
  clusters: number
  rows: number
  mean: number
  /** Rows that tell as much as one independent row, at least 1. */
  designEffect: number
}

/** Without so many it is neither worse nor fine (evidence, section 8). */
const leastEvents: Events = { worse: 5, fine: 20 }
/**
 * Of each arm. A test that only takes clusters to be independent and symmetric has p of at least 2^-k (evidence, section 6);
 * fewer than 30 have no variance to speak of, which a rate that is worse does not need.
 */
function leastClusters(verdict: keyof Events, { isRate, level }: Rules): number {
  return verdict === 'worse' && isRate ? Math.ceil(Math.log2(1 / level)) : 30
}

export function compare(all: readonly Stratum[], rules: Rules): Comparison {
  const strata = comparable(all)
  const green = factsOf(
    strata.map((each) => each.green),
    rules,
  )
  const blue = factsOf(
    strata.map((each) => each.blue),
    rules,
  )
  const { level, margin, spread = usualSpread(rules), isTwoSided = false } = rules
  if (strata.length === 0) {
    const [low, high] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    return { difference: 0, low, high, margin, green, blue, verdict: 'open' }
  }
  const { difference, variance, events } = measure(strata, rules, Math.max(green.designEffect, blue.designEffect))
  const half = radius(variance, spread, level)
  const [low, high] = [difference - half, difference + half]
  const clusters = Math.min(green.clusters, blue.clusters)
  const isEnough = (verdict: keyof Events) =>
    clusters >= leastClusters(verdict, rules) && (!rules.isRate || events[verdict] >= leastEvents[verdict])
  const isBeyond = low > margin || (isTwoSided && high < -margin)
  const isWithin = high < margin && (!isTwoSided || low > -margin)
  const isWorse = isBeyond && isEnough('worse')
  const isFine = isWithin && isEnough('fine')
  return { difference, low, high, margin, green, blue, verdict: isWorse ? 'worse' : isFine ? 'fine' : 'open' }
}

/**
 * Strata that both arms have. Where one arm has more than a few rows in a stratum that the other lacks, it is the version
 * that chooses the provider, and providers apart would hide what it does there: all of both arms then.
 */
function comparable(all: readonly Stratum[]): Stratum[] {
  const whole = { green: sumArms(all.map((each) => each.green)), blue: sumArms(all.map((each) => each.blue)) }
  const common = all.filter(({ green, blue }) => green.rows > 0 && blue.rows > 0)
  const isAlone = (side: keyof Stratum) =>
    whole[side].rows - sumArms(common.map((each) => each[side])).rows > mostAlone * whole[side].rows
  if (!isAlone('green') && !isAlone('blue')) return common
  return whole.green.rows > 0 && whole.blue.rows > 0 ? [whole] : []
}

const mostAlone = 0.01

/** Twice the margin; of a rate .02 at least, or one that breaks in half of the requests is seen late for a small margin. */
export function usualSpread({ margin, isRate }: Pick<Rules, 'margin' | 'isRate'>): number {
  return isRate ? Math.max(2 * margin, 0.02) : 2 * margin
}

interface Measured {
  difference: number
  /** Of the difference. */
  variance: number
  events: Events
}

/** Effective ones of green: those that it had; those of the rarer kind, at its own rate or at the margin. */
interface Events {
  worse: number
  fine: number
}

// Mantel and Haenszel's weights: those of least variance where strata have one variance, and no estimate in them.
function measure(strata: readonly Stratum[], { margin, isRate }: Rules, designEffect: number): Measured {
  let [weights, difference, variance] = [0, 0, 0]
  const events = { worse: 0, fine: 0 }
  for (const { green, blue } of strata) {
    const weight = (green.rows * blue.rows) / (green.rows + blue.rows)
    const [own, other] = [meanOf(green), meanOf(blue)]
    const atMargin = Math.min(1, Math.max(0, other + margin))
    const atWorst = (Math.max(binomial(own), binomial(atMargin)) * designEffect) / green.rows
    const greenVariance = isRate ? Math.max(spreadOf(green) / green.rows ** 2, atWorst) : meanVariance(green, blue)
    const blueVariance = isRate ? spreadOf(blue) / blue.rows ** 2 : meanVariance(blue, green)
    weights += weight
    difference += weight * (own - other)
    variance += weight ** 2 * (greenVariance + blueVariance)
    events.worse += green.total / designEffect
    events.fine += (green.rows * Math.max(rarer(own), rarer(atMargin))) / designEffect
  }
  return { difference: difference / weights, variance: Math.max(Number.MIN_VALUE, variance / weights ** 2), events }
}

// A few rows with one value have no variance: an arm is no more precise a row than the other.
function meanVariance(arm: Arm, other: Arm): number {
  return Math.max(spreadOf(arm) / arm.rows, spreadOf(other) / other.rows) / arm.rows
}

function binomial(rate: number): number {
  return rate * (1 - rate)
}

function rarer(rate: number): number {
  return Math.min(rate, 1 - rate)
}

function factsOf(arms: readonly Arm[], { isRate }: Rules): ArmFacts {
  const { clusters, rows } = sumArms(arms)
  const total = arms.reduce((sum, arm) => sum + arm.total, 0)
  const mean = rows === 0 ? 0 : total / rows
  return { clusters, rows, mean, designEffect: isRate ? designEffectOf(arms) : 1 }
}

/** Of a rate: its variance by clusters over that of independent rows. */
function designEffectOf(arms: readonly Arm[]): number {
  const independent = arms.reduce((sum, arm) => sum + arm.rows * binomial(meanOf(arm)), 0)
  if (independent === 0) return 1
  return Math.max(1, arms.reduce((sum, arm) => sum + spreadOf(arm), 0) / independent)
}
