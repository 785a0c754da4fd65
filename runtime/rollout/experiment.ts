/**
 * An experiment, unit by unit: what each split's arms had come to at each of some moments. A unit counts once in each split
 * that dealt it, for the deployment to which it came first; an outcome belongs to the split by which the unit came last.
 */
import { addUnit, type CrossSums, type Overlap, openUnitSums, type Revision } from './effects.ts'
import { openValue, type Value } from './value.ts'

export interface ExperimentOptions {
  control: string
  treatment: string
  /** Revisions of the splits that give both traffic, the oldest first. */
  splits: readonly number[]
  /** Whether this revision's split dealt units to several deployments: what came before is how a unit is by itself. */
  isMixed(revision: number): boolean
  /** In ms since 1970, as all moments here: units count that came at `from` or later. */
  from: number
  /** Rising. */
  looks: readonly number[]
}

export interface UnitHistory {
  /** By time. */
  exposures: readonly { at: number; deployment: string; revision: number }[]
  /** By time: of a truth value whether it ever was true counts, else the sum. */
  outcomes: readonly { at: number; value: number | boolean }[]
}

/** As it stood at one moment. */
export interface Standing {
  revisions: readonly Revision[]
  overlaps: readonly Overlap[]
  /** By split and arm: units of which the outcome was told. */
  told: readonly { control: number; treatment: number }[]
  /** By split: units that no earlier one had dealt, by deployment. */
  newUnits: readonly Readonly<Record<string, number>>[]
}

export interface ExperimentSums {
  add(unit: UnitHistory): void
  /** One a look. */
  read(): Standing[]
}

const dayMs = 24 * 3600_000
/** Before a unit was dealt. */
const beforeMs = 14 * dayMs

interface Segment {
  place: number
  deployment: string
  from: number
  /** Excluded. */
  to: number
}

export function openExperiment({
  control,
  treatment,
  splits,
  isMixed,
  from,
  looks,
}: ExperimentOptions): ExperimentSums {
  const placeOf = new Map(splits.map((revision, place) => [revision, place]))
  const standings = looks.map(() => openStanding(splits.length))

  function segmentsOf(exposures: UnitHistory['exposures']): Segment[] {
    const seen = new Set<number>()
    const firsts = exposures.filter(({ at, revision }) => {
      if (at < from || seen.has(revision)) return false
      seen.add(revision)
      return true
    })
    // What came of a unit after it was in a split of one deployment is nothing that a split of several dealt.
    return firsts.flatMap(({ at, deployment, revision }, i) => {
      const to = firsts[i + 1]?.at ?? Number.POSITIVE_INFINITY
      return isMixed(revision) ? [{ place: placeOf.get(revision) ?? -1, deployment, from: at, to }] : []
    })
  }

  function sideOf(deployment: string): 'control' | 'treatment' | undefined {
    if (deployment === control) return 'control'
    return deployment === treatment ? 'treatment' : undefined
  }

  return {
    add({ exposures, outcomes }) {
      const dealt = exposures.find(({ revision }) => isMixed(revision))
      const segments = segmentsOf(exposures)
      const [first] = segments
      if (dealt === undefined || first === undefined) return
      const before = openValue()
      for (const { at, value } of outcomes) if (at >= dealt.at - beforeMs && at < dealt.at) before.add(value)
      const x = before.read() ?? 0
      if (placeOf.get(dealt.revision) === first.place) {
        standings[lookAfter(first.from)]?.come(first.place, first.deployment)
      }
      const arms = segments.flatMap((segment) => {
        const side = segment.place < 0 ? undefined : sideOf(segment.deployment)
        return side === undefined ? [] : [{ ...segment, side, value: openValue() }]
      })
      const changes = [
        ...arms.map((arm) => ({ at: arm.from, value: undefined, arm })),
        ...outcomes.flatMap(({ at, value }) => {
          const arm = arms.find(({ from: start, to }) => at >= start && at < to)
          return arm === undefined ? [] : [{ at, value, arm }]
        }),
      ].sort((a, b) => a.at - b.at)
      // Between two changes a unit counts the same: each look holds what it adds to the one before.
      const here: typeof arms = []
      for (let i = 0; i < changes.length; ) {
        const look = lookAfter(changes[i]?.at ?? 0)
        const standing = standings[look]
        if (standing === undefined) return
        standing.count(here, x, -1)
        for (let next = changes[i]; next !== undefined && next.at <= (looks[look] ?? 0); next = changes[++i]) {
          if (next.value === undefined) here.push(next.arm)
          else next.arm.value.add(next.value)
        }
        standing.count(here, x, 1)
      }
    },
    read() {
      let before = openStanding(splits.length)
      return standings.map((standing) => {
        const sum = openStanding(splits.length)
        sum.add(before)
        sum.add(standing)
        before = sum
        return sum.read()
      })
    },
  }

  /** The first that sees what happened then; one past the last where none does. */
  function lookAfter(at: number): number {
    let [low, high] = [0, looks.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((looks[middle] ?? 0) < at) low = middle + 1
      else high = middle
    }
    return low
  }
}

interface Arm {
  place: number
  side: Side
  value: Value
}

type Side = 'control' | 'treatment'

interface OpenStanding {
  come(place: number, deployment: string): void
  /** @param times - 1, or -1 to take it back */
  count(arms: readonly Arm[], x: number, times: 1 | -1): void
  add(other: OpenStanding): void
  read(): Standing
}

function openStanding(splits: number): OpenStanding {
  const revisions = Array.from({ length: splits }, () => ({ control: openUnitSums(), treatment: openUnitSums() }))
  const told = revisions.map(() => ({ control: 0, treatment: 0 }))
  const newUnits = revisions.map((): Record<string, number> => ({}))
  const overlaps = new Map<number, Overlap>()

  function overlapOf(first: number, second: number): Overlap {
    const key = first * splits + second
    const overlap = overlaps.get(key) ?? openOverlap(first, second)
    overlaps.set(key, overlap)
    return overlap
  }

  return {
    come(place, deployment) {
      addTo(newUnits[place] ?? {}, { [deployment]: 1 })
    },
    count(arms, x, times) {
      for (const [k, arm] of arms.entries()) {
        const y = arm.value.read()
        const [sums, known] = [revisions[arm.place]?.[arm.side], told[arm.place]]
        if (sums === undefined || known === undefined) continue
        addUnit(sums, y ?? 0, x, times)
        if (y !== undefined) known[arm.side] += times
        for (const other of arms.slice(0, k)) {
          const [first, second] = arm.place < other.place ? [arm, other] : [other, arm]
          const { sums } = overlapOf(first.place, second.place)
          addCross(sums[first.side][second.side], first.value.read() ?? 0, second.value.read() ?? 0, x, times)
        }
      }
    },
    add(other) {
      const more = other.read()
      for (const [place, arms] of more.revisions.entries()) {
        for (const side of sides) addTo(revisions[place]?.[side], arms[side])
        addTo(told[place], more.told[place])
        addTo(newUnits[place], more.newUnits[place])
      }
      for (const { first, second, sums } of more.overlaps) {
        const own = overlapOf(first, second)
        for (const one of sides) for (const two of sides) addTo(own.sums[one][two], sums[one][two])
      }
    },
    read: () => ({ revisions, overlaps: [...overlaps.values()], told, newUnits }),
  }
}

const sides = ['control', 'treatment'] as const

function addTo<Name extends string>(
  sums: Record<Name, number> | undefined,
  more: Readonly<Record<Name, number>> | undefined,
): void {
  if (sums === undefined || more === undefined) return
  for (const name of Object.keys(more) as Name[]) sums[name] = (sums[name] ?? 0) + more[name]
}

function openOverlap(first: number, second: number): Overlap {
  const open = (): CrossSums => ({ units: 0, y1: 0, y2: 0, x1: 0, x2: 0, y1y2: 0, y1x2: 0, x1y2: 0, x1x2: 0 })
  const arms = () => ({ control: open(), treatment: open() })
  return { first, second, sums: { control: arms(), treatment: arms() } }
}

function addCross(sums: CrossSums, y1: number, y2: number, x: number, times: 1 | -1): void {
  sums.units += times
  sums.y1 += times * y1
  sums.y2 += times * y2
  sums.x1 += times * x
  sums.x2 += times * x
  sums.y1y2 += times * y1 * y2
  sums.y1x2 += times * y1 * x
  sums.x1y2 += times * x * y2
  sums.x1x2 += times * x * x
}
