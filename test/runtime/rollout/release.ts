/** Seeded releases: units that come to two versions, what their hosts count of them, and a rollout that looks at it. */
import type { NumericProfile } from '../../../runtime/contract/profile-spec.ts'
import type { Guard } from '../../../runtime/contract/rollout.ts'
import { latencyEdgesMs } from '../../../runtime/contract/telemetry.ts'
import { decide } from '../../../runtime/rollout/decide.ts'
import { type Cluster, judgeGuards, levelOf, type Observed } from '../../../runtime/rollout/guards.ts'
import { openRandom, type Random } from '../drift/random.ts'

export interface Version {
  errorRate: number
  /** Median, in ms; its logarithm deviates by 0.5, of which 0.3 lies between units. */
  latencyMs: number
  /** Mean of its output, whose baseline is normal with mean 0 and variance 1. */
  output: number
  /** Share of units whose outcome is good. */
  outcome: number
}

export const usual: Version = { errorRate: 0.02, latencyMs: 20, output: 0, outcome: 0.3 }

export interface Release {
  green: Version
  steps: readonly number[]
  guards: readonly Guard[]
  /** Requests of a unit. */
  rows: number
  /** Correlation of two requests of a unit. */
  correlation: number
  /** Units of all deployments in a step after which nobody waits any longer. */
  mostUnits: number
  seed: number
}

export interface Ended {
  state: 'completed' | 'reverted' | 'open'
  /** Percent at the end. */
  percent: number
  /** Of all deployments, and those that the new version answered. */
  units: number
  greenUnits: number
  /** Guards that were broken. */
  broken: string[]
}

export const allGuards: readonly Guard[] = [
  { metric: 'error_rate', margin: 0.01 },
  { metric: 'latency_p95', ratio: 1.2 },
  { metric: 'drift', limit: 0.2 },
  { metric: 'outcome', name: 'accepted', margin: 0.05, better: 'higher' },
  { metric: 'sample_ratio', alpha: 0.001 },
]

const alpha = 0.05
const firstLook = 200
/** Each look has so many times the units of the one before: a look costs as much as all units that came. */
const nextLook = 1.5

/** Runs a rollout until it is completed, taken back, or stands still. */
export function release({ green, steps, guards, rows, correlation, mostUnits, seed }: Release): Ended {
  const random = openRandom(seed)
  const level = levelOf(alpha, guards, steps)
  const ended: Ended = { state: 'open', percent: 0, units: 0, greenUnits: 0, broken: [] }
  for (const [step, percent] of steps.entries()) {
    ended.percent = percent
    if (percent === 100) return { ...ended, state: 'completed' }
    const observed = openObserved(percent / 100)
    let [units, greenUnits, look] = [0, 0, firstLook]
    for (;;) {
      for (; units < look; units++) {
        const isGreen = random.uniform() < percent / 100
        addUnit(observed, isGreen, isGreen ? green : usual, { rows, correlation }, random)
        if (isGreen) greenUnits++
      }
      const evidence = { units: greenUnits, guards: judgeGuards(guards, observed, level) }
      const plan = { steps: [...steps], step, hold: '1m', minUnits: 0, stepStartedAt: '2026-11-24T10:00:00Z' }
      const { action, reasons } = decide(plan, evidence, Date.parse('2026-11-24T11:00:00Z'))
      if (action === 'hold' && units < mostUnits) {
        look = Math.min(mostUnits, Math.ceil(look * nextLook))
        continue
      }
      ended.units += units
      ended.greenUnits += greenUnits
      if (action === 'revert') return { ...ended, state: 'reverted', broken: reasons }
      if (action === 'hold') return ended
      break
    }
  }
  return { ...ended, state: 'completed' }
}

interface OpenObserved extends Observed {
  green: { clusters: Cluster[]; outputs: NumericProfile[] }
  blue: { clusters: Cluster[]; outputs: NumericProfile[] }
  outcomes: Record<'accepted', { isRate: true; green: number[]; blue: number[] }>
  newUnits: Record<'blue' | 'green', { units: number; share: number }>
}

function openObserved(share: number): OpenObserved {
  return {
    green: { clusters: [], outputs: [output] },
    blue: { clusters: [], outputs: [output] },
    outcomes: { accepted: { isRate: true, green: [], blue: [] } },
    newUnits: { blue: { units: 0, share: 1 - share }, green: { units: 0, share } },
  }
}

/** Deciles of a standard normal distribution, as a baseline of 10,000 rows has them. */
const edges = [-1.2816, -0.8416, -0.5244, -0.2533, 0, 0.2533, 0.5244, 0.8416, 1.2816]
const output: NumericProfile = {
  name: 'value',
  kind: 'numeric',
  edges,
  points: [],
  counts: [...new Array<number>(10).fill(1000), 0, 0, 0, 0],
}

function addUnit(
  observed: OpenObserved,
  isGreen: boolean,
  version: Version,
  { rows, correlation }: Pick<Release, 'rows' | 'correlation'>,
  random: Random,
): void {
  const side = isGreen ? 'green' : 'blue'
  const [own, rest] = [Math.sqrt(correlation), Math.sqrt(1 - correlation)]
  // Two requests of a unit fail alike with the correlation: it has a state of its own in that share of them.
  const fails = random.uniform() < version.errorRate
  const [speed, place] = [random.normal(), random.normal()]
  const latency = new Array<number>(latencyEdgesMs.length + 1).fill(0)
  const cells = new Array<number>(14).fill(0)
  let failed = 0
  for (let row = 0; row < rows; row++) {
    if (random.uniform() < own ? fails : random.uniform() < version.errorRate) {
      failed++
      continue
    }
    const ms = version.latencyMs * Math.exp(0.5 * (own * speed + rest * random.normal()))
    count(latency, latencyCell(ms))
    count(cells, cellOf(edges, version.output + own * place + rest * random.normal()))
  }
  const cluster = { provider: 'wasm', answered: rows - failed, failed, hasParityFailure: false, latency }
  observed[side].clusters.push({ ...cluster, outputs: { value: cells } })
  const isGood = random.uniform() < version.outcome
  observed.outcomes.accepted[side].push(isGood ? 1 : 0)
  observed.newUnits[side].units++
}

/** Of {@link latencyEdgesMs}: half powers of two from 0.125 ms on. */
function latencyCell(ms: number): number {
  return Math.min(latencyEdgesMs.length, Math.max(0, Math.floor(2 * Math.log2(ms / 0.125)) + 1))
}

function cellOf(edges: readonly number[], value: number): number {
  const place = edges.findIndex((edge) => value < edge)
  return place < 0 ? edges.length : place
}

function count(cells: number[], cell: number): void {
  cells[cell] = (cells[cell] ?? 0) + 1
}
