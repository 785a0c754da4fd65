/** Which deployment a caller gets: a pure function of plan and unit (design, section 9). */

import type { Plan, Range } from '../contract/plan.ts'
import { SelvedgeError } from '../errors.ts'
import { type Caller, isOfAudience } from './audience.ts'
import { placeIn } from './schemes.ts'

const wholePpm = 1_000_000
const maxDeployments = 64

export interface Assignment {
  /** Undefined while nothing gets traffic. */
  deployment: string | undefined
  /** The split gave it: whom it is not for gets one deployment, and is no part of an experiment. */
  isBySplit: boolean
}

/** Without a unit a random place of the split, anew each time. Price: one hash of salt and unit, one of a namespace. */
export function assign(
  { audience, scheme, salt, ranges }: Pick<Plan, 'audience' | 'scheme' | 'salt' | 'ranges'>,
  caller: Caller,
): Assignment {
  if (audience !== undefined && ranges.length > 0 && !isOfAudience(audience, scheme, caller)) {
    return { deployment: audience.otherwise, isBySplit: false }
  }
  const place = caller.unit === undefined ? randomBucket() : placeIn(scheme, salt, caller.unit)
  return { deployment: deploymentAt(ranges, place), isBySplit: true }
}

/** The deployment whose range holds a bucket; undefined while nothing gets traffic. */
export function deploymentAt(ranges: readonly Range[], at: number): string | undefined {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ranges[middle]?.[2] ?? wholePpm) <= at) low = middle + 1
    else high = middle
  }
  return ranges[low]?.[0]
}

/** The place of a request without a unit: each is as likely. */
export function randomBucket(): number {
  return Math.floor(Math.random() * wholePpm)
}

/**
 * Percentages by deployment as parts per million, without rounding.
 *
 * @throws {@link SelvedgeError} `TRAFFIC_INVALID` for a percentage outside 0 to 100 or with more than 4 decimals, for a
 * sum that is neither 100 nor 0, and for more than 64 deployments
 */
export function parseSplit(percent: Readonly<Record<string, number>>): Map<string, number> {
  const split = new Map(
    Object.entries(percent).map(([deployment, value]) => [deployment, parsePercent(deployment, value)]),
  )
  if (split.size > maxDeployments) {
    throw new SelvedgeError('TRAFFIC_INVALID', `the split names ${split.size} deployments, at most ${maxDeployments}`)
  }
  checkSum(split)
  return split
}

/**
 * The ranges that give each deployment its share and move as few buckets as that can take: half the sum of all changes
 * of share. What a deployment keeps stays where it is.
 *
 * From no ranges, or to a split of zeros, there is nothing to keep: what served before a stop is forgotten.
 *
 * @param ranges - rising, without gaps from 0 to 1,000,000, or empty
 * @param ppm - sums to 1,000,000 or 0; a deployment of `ranges` that it does not name gets nothing
 * @returns the same for the same shares, whatever the order of `ppm`; neighbours have different deployments
 * @throws {@link SelvedgeError} `TRAFFIC_INVALID` for another sum
 */
export function moveRanges(ranges: readonly Range[], ppm: ReadonlyMap<string, number>): Range[] {
  if (checkSum(ppm) === 0) return []
  const pieces = merge(
    ranges.length > 0
      ? ranges.map(([deployment, from, to]) => ({ deployment, length: to - from }))
      : sortedShares(ppm).map(([deployment, length]) => ({ deployment, length })),
  )
  const surplus = surpluses(pieces, ppm)
  while (true) {
    const move = nextMove(pieces, surplus)
    if (move === undefined) return toRanges(pieces)
    handOver(pieces, surplus, move)
  }
}

/** A range without its place. */
interface Piece {
  deployment: string
  length: number
}

/** The piece at `from` gives up buckets to `to`, at its start or its end. */
interface Move {
  from: number
  to: string
  atStart: boolean
}

function parsePercent(deployment: string, percent: number): number {
  const ppm = Math.round(percent * 10_000)
  // A decimal with at most 4 places is the double nearest to ppm / 10,000, and division rounds to just that double.
  if (percent >= 0 && percent <= 100 && ppm / 10_000 === percent && !Object.is(percent, -0)) return ppm
  throw new SelvedgeError(
    'TRAFFIC_INVALID',
    `deployment "${deployment}": got ${Object.is(percent, -0) ? '-0' : percent} percent, want 0 to 100 with at most 4 decimals`,
    { deployment },
  )
}

function checkSum(ppm: ReadonlyMap<string, number>): number {
  let sum = 0
  for (const share of ppm.values()) sum += share
  if (sum === wholePpm || sum === 0) return sum
  throw new SelvedgeError('TRAFFIC_INVALID', `the split sums to ${sum / 10_000} percent, want 100 or 0`)
}

/** What each deployment has too much (above 0) or too little (below 0). */
function surpluses(pieces: readonly Piece[], ppm: ReadonlyMap<string, number>): Map<string, number> {
  const surplus = new Map<string, number>()
  for (const { deployment, length } of pieces) surplus.set(deployment, (surplus.get(deployment) ?? 0) + length)
  for (const [deployment, share] of ppm) surplus.set(deployment, (surplus.get(deployment) ?? 0) - share)
  return surplus
}

// Each rule keeps the number of ranges low, or it would grow with every change of the split. Shifting the border between
// a giver and a taker adds none, and the shortest piece may vanish by it. Only where no such border is left a taker is
// put at the end of a giver's shortest piece: one range more, and a border for the next time.
function nextMove(pieces: readonly Piece[], surplus: ReadonlyMap<string, number>): Move | undefined {
  const givers = pieces
    .map((piece, from) => ({ ...piece, from }))
    .filter(({ deployment }) => (surplus.get(deployment) ?? 0) > 0)
    .sort((a, b) => a.length - b.length || a.from - b.from)
  const takes = (at: number) => {
    const neighbour = pieces[at]?.deployment
    return neighbour !== undefined && (surplus.get(neighbour) ?? 0) < 0 ? neighbour : undefined
  }
  for (const { from } of givers) {
    const after = takes(from + 1)
    if (after !== undefined) return { from, to: after, atStart: false }
    const before = takes(from - 1)
    if (before !== undefined) return { from, to: before, atStart: true }
  }
  const [giver] = givers
  const taker = sortedShares(surplus).find(([, amount]) => amount < 0)
  return giver && taker && { from: giver.from, to: taker[0], atStart: false }
}

// By name, since the order of keys in a document means nothing.
function sortedShares(shares: ReadonlyMap<string, number>): [string, number][] {
  return [...shares].sort(([a], [b]) => (a < b ? -1 : 1))
}

function handOver(pieces: Piece[], surplus: Map<string, number>, { from, to, atStart }: Move): void {
  const piece = pieces[from]
  if (piece === undefined) return
  const spare = surplus.get(piece.deployment) ?? 0
  const wanted = -(surplus.get(to) ?? 0)
  const moved = Math.min(spare, wanted, piece.length)
  surplus.set(piece.deployment, spare - moved)
  surplus.set(to, moved - wanted)
  const kept = { deployment: piece.deployment, length: piece.length - moved }
  const given = { deployment: to, length: moved }
  pieces.splice(from, 1, ...(atStart ? [given, kept] : [kept, given]))
  pieces.splice(0, pieces.length, ...merge(pieces))
}

function merge(pieces: readonly Piece[]): Piece[] {
  const merged: Piece[] = []
  for (const { deployment, length } of pieces) {
    if (length === 0) continue
    const last = merged.at(-1)
    if (last?.deployment === deployment) last.length += length
    else merged.push({ deployment, length })
  }
  return merged
}

function toRanges(pieces: readonly Piece[]): Range[] {
  let from = 0
  return pieces.map(({ deployment, length }) => {
    const to = from + length
    const range: Range = [deployment, from, to]
    from = to
    return range
  })
}
