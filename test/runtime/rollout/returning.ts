/** Seeded experiments without an effect whose units come back: day after day, in one split after the other. */
import { combineEffects, intervalOf } from '../../../runtime/rollout/effects.ts'
import { openExperiment, type UnitHistory } from '../../../runtime/rollout/experiment.ts'
import { openRandom } from '../drift/random.ts'

export type ReturningKind = 'who buys' | 'what they spend' | 'what they spend, with CUPED'

const dayMs = 24 * 3600_000
const days = 20
const units = 2000
/** Three looks a day. */
const looks = Array.from({ length: 3 * days }, (_, i) => ((i + 1) * dayMs) / 3)
/** By revision, five days each; before them all had the control. */
const splits = [2, 3, 4, 5]
const shares = [0.05, 0.2, 0.5, 0.5]

/** Whether the interval of the effect, which is not there, left zero at any look. */
export function leavesZero(kind: ReturningKind, seed: number): boolean {
  const random = openRandom(seed)
  const options = { control: 'blue', treatment: 'green', splits, isMixed: (revision: number) => revision > 1 }
  const experiment = openExperiment({ ...options, from: 0, looks })

  // What a unit does from day to day is alike, and so is how often it comes.
  function history(): UnitHistory {
    const [place, usual, busy] = [random.uniform(), random.normal(), random.uniform()]
    const exposures: { at: number; deployment: string; revision: number }[] = []
    const outcomes: { at: number; value: number | boolean }[] = []
    if (kind === 'what they spend, with CUPED') {
      exposures.push({ at: -2 * dayMs, deployment: 'blue', revision: 1 })
      for (let day = 5; day >= 1; day--) outcomes.push({ at: (-day * dayMs) / 10, value: usual + random.normal() })
    }
    for (let day = 0; day < days; day++) {
      if (random.uniform() > busy) continue
      const split = Math.floor((day * splits.length) / days)
      const at = (day + random.uniform() / 2) * dayMs
      exposures.push({ at, deployment: place < (shares[split] ?? 0) ? 'green' : 'blue', revision: splits[split] ?? 0 })
      if (kind !== 'who buys') outcomes.push({ at: at + 1000, value: usual + random.normal() + day / 10 })
      else if (random.uniform() < 0.2 / (1 + Math.exp(-usual))) outcomes.push({ at: at + 1000, value: true })
    }
    return { exposures, outcomes }
  }

  for (let unit = 0; unit < units; unit++) experiment.add(history())
  return experiment.read().some(({ revisions, overlaps }) => {
    const effect = combineEffects(revisions, overlaps)
    if (effect === undefined) return false
    const { low, high } = intervalOf(effect.absolute, 0.05)
    return low > 0 || high < 0
  })
}
