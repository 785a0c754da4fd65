/**
 * Pairs of rows of one unit and UTC day, by the places into which the two fell: what a host that scores for many units knows
 * of rows that are alike, and the registry cannot (evidence, section 6). ΣX·Xᵀ over units is these and each row with itself,
 * which the counts tell.
 *
 * Cells are merged to places by `openScores`, a pure function of the ProfileSpec that the report names: host and registry
 * agree on it without a word. To change it, a report's pairs need another name than `units`.
 */

import { bucket } from '../assignment/schemes.ts'
import type { ProfileSpec } from '../contract/profile-spec.ts'
import type { PairCounts } from '../contract/telemetry.ts'
import { triangle } from '../drift/clusters.ts'
import { openScores } from '../drift/scores.ts'

/** What was counted in one window. */
export interface Pairs {
  rows: number
  clusters: number
  /** Of all features and outputs, one triangle after the other. */
  readonly sums: Float64Array
}

/** Rows of one UTC day. */
export interface UnitDay {
  open(): Pairs
  /**
   * Price of a value: a step for each place that its feature has, at most 13.
   *
   * @param unit - rows without one are taken to be one unit's
   * @param features - the cell of each feature
   * @param outputs - the cell of each output
   */
  add(into: Pairs, unit: string | undefined, features: ArrayLike<number>, outputs: ArrayLike<number>): void
  read(pairs: Pairs): PairCounts
}

/** Units whose hash is the same modulo these are taken to be one: a server is as good as so many pages a day. */
const slots = 4096
/** Memory of a day: four bytes each. */
const mostCounts = 4 * 1024 * 1024
/** What fits into a report beside the counts; with more features than about eighty the host's rows are one cluster. */
const mostSums = 8000

/** A day without rows; undefined for a spec whose pairs would fit neither a report nor memory. */
export function openUnitDay(spec: ProfileSpec): UnitDay | undefined {
  const blocks = blocksOf(spec)
  const last = blocks.at(-1)
  const counts = last === undefined ? 0 : last.counts + last.size
  const sums = last === undefined ? 0 : last.sums + triangle(last.size)
  if (sums > mostSums || counts * slots > mostCounts) return undefined
  const { length } = spec.features
  const held = new Map<number, Uint32Array>()

  return {
    open: () => ({ rows: 0, clusters: 0, sums: new Float64Array(sums) }),
    add(into, unit, features, outputs) {
      const slot = unit === undefined ? -1 : bucket('unit', unit) % slots
      const before = held.get(slot)
      const vector = before ?? new Uint32Array(counts)
      if (before === undefined) {
        held.set(slot, vector)
        into.clusters++
      }
      if (unit !== undefined) into.rows++
      for (let i = 0; i < blocks.length; i++) {
        const block = blocks[i] as Block
        const cell = (i < length ? features[i] : outputs[i - length]) ?? 0
        const places = block.placesOf[cell] ?? []
        if (before !== undefined) for (const place of places) addPairs(into.sums, before, block, place)
        for (const place of places) vector[block.counts + place] = (vector[block.counts + place] ?? 0) + 1
      }
    },
    read({ rows, clusters, sums }) {
      const read = ({ name, size, sums: at }: Block) => {
        const own = sums.subarray(at, at + triangle(size))
        return [name, own.every((sum) => sum === 0) ? [] : [...own]]
      }
      return {
        rows,
        clusters,
        counts: Object.fromEntries(blocks.slice(0, length).map(read)),
        outputs: Object.fromEntries(blocks.slice(length).map(read)),
      }
    },
  }
}

/** A feature's or an output's part of the vectors. */
interface Block {
  name: string
  size: number
  /** Where its places and its triangle begin. */
  counts: number
  sums: number
  /** By cell: one, or two where it is outside of the baseline's range. */
  placesOf: readonly (readonly number[])[]
}

function blocksOf({ features, outputs }: ProfileSpec): Block[] {
  let [counts, sums] = [0, 0]
  return [...features, ...outputs].map((feature) => {
    const { size, placeOf, outside } = openScores(feature)
    const placesOf = placeOf.map((place, cell) => (outside.includes(cell) ? [place, size - 1] : [place]))
    const block = { name: feature.name, size, counts, sums, placesOf }
    counts += size
    sums += triangle(size)
    return block
  })
}

// A row in `place` with each row before: x·Xᵀ + X·xᵀ. A scorer that answers 18,000 rows a second stays below 2^53.
function addPairs(sums: Float64Array, before: Uint32Array, { size, counts, sums: first }: Block, place: number): void {
  const row = first + triangle(place)
  for (let j = 0; j < place; j++) sums[row + j] = (sums[row + j] ?? 0) + (before[counts + j] ?? 0)
  sums[row + place] = (sums[row + place] ?? 0) + 2 * (before[counts + place] ?? 0)
  for (let i = place + 1; i < size; i++) {
    const at = first + triangle(i) + place
    sums[at] = (sums[at] ?? 0) + (before[counts + i] ?? 0)
  }
}
