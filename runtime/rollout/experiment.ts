/**
 * An experiment, unit by unit: what each split's arms had come to at each of some moments. A unit counts once in each split
 * that dealt it, for the deployment to which it came first; an outcome belongs to the split by which the unit came last.
 */
import { addUnit, type CrossSums, type Overlap, openUnitSums, type Revision } from './effects.ts'

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
      if (at < from || !isMixed(revision) || seen.has(revision)) return false
      seen.add(revision)
      return true
    })
    return firsts.map(({ at, deployment, revision }, i) => ({
      place: placeOf.get(revision) ?? -1,
      deployment,
      from: at,
      to: firsts[i + 1]?.at ?? Number.POSITIVE_INFINITY,
    }))
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
      const isNew = placeOf.get(dealt.revision) === first.place
      const arms = segments.flatMap((segment) => {
        const side = segment.place < 0 ? undefined : sideOf(segment.deployment)
        return side === undefined ? [] : [{ ...segment, side, value: openValue(), next: 0 }]
      })
      for (const [i, look] of looks.entries()) {
        const standing = standings[i]
        if (standing === undefined || first.from > look) continue
        if (isNew && first.place >= 0) standing.come(first.place, first.deployment)
        for (const arm of arms) {
          for (let told = outcomes[arm.next]; told !== undefined && told.at <= look; told = outcomes[++arm.next]) {
            if (told.at >= arm.from && told.at < arm.to) arm.value.add(told.value)
          }
        }
        const here = arms.filter((arm) => arm.from <= look)
        for (const { place, side, value } of here) standing.count(place, side, value.read(), x)
        for (const [k, second] of here.entries()) {
          for (const one of here.slice(0, k)) standing.cross(one, second, x)
        }
      }
    },
    read: () => standings.map((standing) => standing.read()),
  }
}

interface Value {
  add(value: number | boolean): void
  /** Undefined where nothing was told. */
  read(): number | undefined
}

function openValue(): Value {
  let value: number | undefined
  let isTruth = false
  return {
    add(told) {
      if (typeof told === 'boolean') {
        value = Math.max(isTruth ? (value ?? 0) : 0, Number(told))
        isTruth = true
      } else if (!isTruth) value = (value ?? 0) + told
    },
    read: () => value,
  }
}

interface Arm {
  place: number
  side: 'control' | 'treatment'
  value: Value
}

function openStanding(splits: number) {
  const revisions = Array.from({ length: splits }, () => ({ control: openUnitSums(), treatment: openUnitSums() }))
  const told = revisions.map(() => ({ control: 0, treatment: 0 }))
  const newUnits = revisions.map((): Record<string, number> => ({}))
  const overlaps = new Map<number, Overlap>()
  return {
    come(place: number, deployment: string) {
      const units = newUnits[place]
      if (units !== undefined) units[deployment] = (units[deployment] ?? 0) + 1
    },
    count(place: number, side: Arm['side'], y: number | undefined, x: number) {
      const [sums, known] = [revisions[place], told[place]]
      if (sums === undefined || known === undefined) return
      addUnit(sums[side], y ?? 0, x)
      if (y !== undefined) known[side]++
    },
    cross(a: Arm, b: Arm, x: number) {
      const [one, other] = a.place < b.place ? [a, b] : [b, a]
      const key = one.place * splits + other.place
      const overlap = overlaps.get(key) ?? openOverlap(one.place, other.place)
      overlaps.set(key, overlap)
      addCross(overlap.sums[one.side][other.side], one.value.read() ?? 0, other.value.read() ?? 0, x)
    },
    read: (): Standing => ({ revisions, overlaps: [...overlaps.values()], told, newUnits }),
  }
}

function openOverlap(first: number, second: number): Overlap {
  const open = (): CrossSums => ({ units: 0, y1: 0, y2: 0, x1: 0, x2: 0, y1y2: 0, y1x2: 0, x1y2: 0, x1x2: 0 })
  const sides = () => ({ control: open(), treatment: open() })
  return { first, second, sums: { control: sides(), treatment: sides() } }
}

function addCross(sums: CrossSums, y1: number, y2: number, x: number): void {
  sums.units++
  sums.y1 += y1
  sums.y2 += y2
  sums.x1 += x
  sums.x2 += x
  sums.y1y2 += y1 * y2
  sums.y1x2 += y1 * x
  sums.x1y2 += x * y2
  sums.x1x2 += x * x
}
