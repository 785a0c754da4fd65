/** Rows of 50 features, and what counts them: a profile of ours, or a loop that knows where each number stands. */

import type { Feature } from '../../runtime/contract/description.ts'
import type { NumericProfile, ProfileSpec } from '../../runtime/contract/profile-spec.ts'
import { buildProfileSpec } from '../../runtime/telemetry/baseline.ts'
import { openProfile } from '../../runtime/telemetry/profile.ts'
import { sampleInTurn } from './sampling.ts'
import type { Measured } from './task.ts'

export const features = Array.from({ length: 50 }, (_, index): Feature => {
  return { name: `feature_${String(index).padStart(2, '0')}`, kind: 'numeric', input: 'x', index }
})

type Numbers = Record<string, number>

/** The same everywhere: sums of three numbers of mulberry32. */
export function openRows(seed: number): (count: number) => Numbers[] {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return (count) =>
    Array.from({ length: count }, () =>
      Object.fromEntries(features.map(({ name }) => [name, next() + next() + next()])),
    )
}

/** 64 bins a feature, of 20,000 rows. */
export function makeSpec(): ProfileSpec {
  return buildProfileSpec({ features, rows: openRows(1)(20_000), outputs: [] })
}

/** Counts the same 1,000 rows anew; the sum of a cell's place times its count, at the end. */
interface Counting {
  run(): Promise<void>
  answer(): number
}

function openCounting(kind: 'bare' | 'selvedge'): Counting {
  const spec = makeSpec()
  const rows = openRows(2)(1000)
  return kind === 'bare' ? openBare(spec, rows) : openOurs(spec, rows)
}

/** Milliseconds for a million values; of ours in turn with those of the bare loop. */
export async function sampleCounting(kind: 'bare' | 'selvedge'): Promise<Measured> {
  const [own, bare] = [openCounting(kind), openCounting('bare')]
  const [samples = [], beside = []] = await sampleInTurn(kind === 'bare' ? [own.run] : [own.run, bare.run])
  // A run is 1,000 rows of 50 values.
  const scaled = (times: readonly number[]) => times.map((ms) => ms * 20)
  return { samples: scaled(samples), ...(kind !== 'bare' && { beside: scaled(beside) }), answer: own.answer() }
}

function openOurs(spec: ProfileSpec, rows: readonly Numbers[]): Counting {
  const profile = openProfile(spec)
  let runs = 0
  return {
    async run() {
      runs++
      for (const row of rows) profile.countRow(row)
    },
    answer: () => checksum(Object.values(profile.counts().counts)) / runs,
  }
}

// Numbers in an array, known to be numbers; the same binary search over the same edges.
function openBare(spec: ProfileSpec, rows: readonly Numbers[]): Counting {
  const columns = (spec.features as NumericProfile[]).map(({ edges, counts }) => ({
    edges: Float64Array.from(edges),
    counts: new Array<number>(counts.length).fill(0),
  }))
  const numbers = rows.map((row) => Object.values(row))
  let runs = 0
  return {
    async run() {
      runs++
      for (const row of numbers) {
        for (let i = 0; i < columns.length; i++) {
          const column = columns[i]
          if (column === undefined) continue
          const value = Math.fround(row[i] ?? 0)
          let [low, high] = [0, column.edges.length]
          while (low < high) {
            const middle = (low + high) >>> 1
            if ((column.edges[middle] ?? 0) <= value) low = middle + 1
            else high = middle
          }
          column.counts[low] = (column.counts[low] ?? 0) + 1
        }
      }
    },
    answer: () => checksum(columns.map(({ counts }) => counts)) / runs,
  }
}

function checksum(counts: readonly (readonly number[])[]): number {
  return counts.flat().reduce((sum, count, place) => sum + count * (place % 997), 0)
}
