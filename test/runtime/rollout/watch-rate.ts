/** A rate guard that looks a hundred times, each after 500 more units (evidence, section 8). */
import { addCluster, openArm } from '../../../runtime/rollout/arms.ts'
import { type Comparison, compare } from '../../../runtime/rollout/compare.ts'
import type { Random } from '../drift/random.ts'

export interface Watched {
  /** Of the new version. */
  share: number
  /** Of the old and of the new version. */
  rates: readonly [number, number]
  /** Requests of a unit, and their correlation. */
  rows: number
  correlation: number
}

/** Where it ended, and after how many looks. */
export function watchRate(
  random: Random,
  { share, rates: [blueRate, greenRate], rows, correlation }: Watched,
): { verdict: Comparison['verdict']; look: number } {
  const [green, blue] = [openArm(), openArm()]
  // A unit has one fate in so many of its requests: two of them are alike in the square of that.
  const alike = Math.sqrt(correlation)
  const failures = (rate: number) => {
    const common = random.binomial(rows, alike)
    return (random.uniform() < rate ? common : 0) + random.binomial(rows - common, rate)
  }
  for (let look = 1; look <= 100; look++) {
    const greenUnits = random.binomial(500, share)
    for (let unit = 0; unit < greenUnits; unit++) addCluster(green, rows, failures(greenRate))
    for (let unit = greenUnits; unit < 500; unit++) addCluster(blue, rows, failures(blueRate))
    const { verdict } = compare([{ green, blue }], { margin: 0.01, level: 0.05 / 3, isRate: true })
    if (verdict !== 'open') return { verdict, look }
  }
  return { verdict: 'open', look: 100 }
}
