import { describe, expect, test } from 'vitest'
import { combineEffects, effectOf } from '../../../runtime/rollout/effects.ts'
import {
  type ExperimentOptions,
  openExperiment,
  type Standing,
  type UnitHistory,
} from '../../../runtime/rollout/experiment.ts'
import { openRandom, type Random } from '../drift/random.ts'

const hour = 3600_000
const day = 24 * hour

/** Revision 1 gives all to blue, 2 and later ones to blue and green, 9 to blue and violet. */
function open(part: Partial<ExperimentOptions> = {}) {
  const isMixed = (revision: number) => revision > 1
  return openExperiment({
    control: 'blue',
    treatment: 'green',
    splits: [2, 3],
    isMixed,
    from: 0,
    looks: [100 * day],
    ...part,
  })
}

function read(units: readonly UnitHistory[], part: Partial<ExperimentOptions> = {}): Standing {
  const sums = open(part)
  for (const unit of units) sums.add(unit)
  const last = sums.read().at(-1)
  if (last === undefined) throw new Error('no look')
  return last
}

const came = (at: number, deployment: string, revision: number) => ({ at, deployment, revision })
const told = (at: number, value: number | boolean = true) => ({ at, value })

describe('units of an experiment', () => {
  test('count in each split that dealt them, and an outcome where they came last before it', () => {
    const moved = {
      exposures: [came(1, 'blue', 2), came(10, 'green', 3), came(12, 'green', 3)],
      outcomes: [told(5), told(11), told(13)],
    }
    const silent = { exposures: [came(2, 'blue', 2), came(9, 'blue', 3)], outcomes: [told(20)] }
    const { revisions, told: known } = read([moved, silent])
    const arms = revisions.map(({ control, treatment }) => [control.units, control.y, treatment.units, treatment.y])
    expect(arms).toEqual([
      [2, 1, 0, 0],
      [1, 1, 1, 1],
    ])
    expect(known).toEqual([
      { control: 1, treatment: 0 },
      { control: 1, treatment: 1 },
    ])
  })

  test('bring nothing more to their arms once they came in a split of one deployment', () => {
    const gone = {
      exposures: [came(1, 'blue', 2), came(10, 'green', 1), came(20, 'green', 3)],
      outcomes: [told(5, 1), told(15, 10), told(25, 100)],
    }
    const { revisions } = read([gone])
    expect(revisions.map(({ control, treatment }) => [control.y, treatment.y])).toEqual([
      [1, 0],
      [0, 100],
    ])
  })

  test('sum numbers, and of truth values say whether one was true', () => {
    const numbers = { exposures: [came(1, 'blue', 2)], outcomes: [told(2, 3), told(3, 4.5)] }
    const truths = { exposures: [came(1, 'green', 2)], outcomes: [told(2, true), told(3, false), told(4, true)] }
    const [first] = read([numbers, truths]).revisions
    expect([first?.control.y, first?.treatment.y]).toEqual([7.5, 1])
  })

  test('stand at each look as they did then', () => {
    const sums = open({ looks: [4, 6, 20] })
    sums.add({ exposures: [came(5, 'green', 2)], outcomes: [told(10, 2)] })
    const arms = sums.read().map(({ revisions: [first] }) => [first?.treatment.units, first?.treatment.y])
    expect(arms).toEqual([
      [0, 0],
      [1, 0],
      [1, 2],
    ])
  })

  test('are new where no split of several deployments had dealt them: then they may have left because of it', () => {
    const newcomer = { exposures: [came(50, 'green', 2)], outcomes: [] }
    const known = { exposures: [came(1, 'blue', 1), came(50, 'blue', 2)], outcomes: [] }
    const elsewhere = { exposures: [came(1, 'violet', 9), came(50, 'green', 2)], outcomes: [] }
    const again = { exposures: [came(50, 'blue', 2), came(60, 'blue', 3)], outcomes: [] }
    const { newUnits, revisions } = read([newcomer, known, elsewhere, again])
    expect(newUnits).toEqual([{ green: 1, blue: 2 }, {}])
    expect(revisions[0]?.treatment.units).toBe(2)
  })

  test('tell by what they did before they were dealt how they are by themselves, and by nothing after it', () => {
    const random = openRandom(7)
    // Each buys about as much as it always did; green adds one a split.
    const units = Array.from({ length: 4000 }, (_, i) => {
      const deployment = i % 2 ? 'green' : 'blue'
      const usual = 10 + 3 * random.normal()
      const spend = (at: number, more: number) => told(at, usual + more + random.normal())
      const more = deployment === 'green' ? 1 : 0
      return {
        exposures: [came(20 * day, 'blue', 1), came(21 * day, deployment, 2), came(22 * day, deployment, 3)],
        outcomes: [spend(20 * day + hour, 0), spend(21 * day + hour, more), spend(22 * day + hour, more)],
      }
    })
    const { revisions } = read(units)
    const plain = read(units.map(({ outcomes, ...unit }) => ({ ...unit, outcomes: outcomes.slice(1) })))
    for (const place of [0, 1]) {
      const [known, unknown] = [revisions[place], plain.revisions[place]].map(
        (arms) => arms && effectOf(arms.control, arms.treatment)?.absolute,
      )
      expect((known?.variance ?? 1) / (unknown?.variance ?? 1)).toBeLessThan(0.3)
      expect(Math.abs((known?.value ?? 0) - 1)).toBeLessThan(4 * Math.sqrt(known?.variance ?? 0))
    }
  })
})

describe('an effect over splits in which the same units come', () => {
  test('has the variance that it has, though each split tells of the same units', () => {
    const runs = Array.from({ length: 200 }, (_, run) => returning(openRandom(run + 1)))
    const spread = (errors: readonly number[]) => errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length
    // 1 where the variance is told truly; its own deviation over 200 runs is .1.
    expect(spread(runs.map(({ together }) => together))).toBeGreaterThan(0.7)
    expect(spread(runs.map(({ together }) => together))).toBeLessThan(1.3)
    expect(spread(runs.map(({ apart }) => apart))).toBeGreaterThan(2)
  })
})

/** Standard errors by which an effect misses 0, with and without a word of who came again. */
function returning(random: Random): { together: number; apart: number } {
  const splits = [2, 3, 4, 5]
  const units = Array.from({ length: 600 }, (): UnitHistory => {
    const place = random.uniform()
    const usual = random.normal()
    const visits = splits.map((revision, i) => ({ revision, at: (i + 1) * day, share: 0.2 + 0.1 * i }))
    return {
      exposures: visits.map(({ revision, at, share }) => came(at, place < share ? 'green' : 'blue', revision)),
      outcomes: visits.map(({ at }) => told(at + hour, 5 + usual + 0.5 * random.normal())),
    }
  })
  const { revisions, overlaps } = read(units, { splits })
  const missed = (effect: ReturnType<typeof combineEffects>) =>
    (effect?.absolute.value ?? 0) / Math.sqrt(effect?.absolute.variance ?? 1)
  return { together: missed(combineEffects(revisions, overlaps)), apart: missed(combineEffects(revisions)) }
}
