/**
 * Proof of what rollouts claim, by our own code and seeds: bad versions are taken back before a quarter of the traffic, never
 * promoted; unchanged ones are completed; no false effect over 200 looks, nor from a ramp (evidence, section 8). A line a
 * cell; cells that miss are marked. What it printed lies beside it, put together from its parts.
 *
 * `node test/proof/rollout-simulation.ts [runs a cell] [parts]`: releases, ratios, effects, returning, rates, margins,
 * others; all without one.
 */
import {
  addUnit,
  combineEffects,
  effectOf,
  intervalOf,
  openUnitSums,
  type Revision,
} from '../../runtime/rollout/effects.ts'
import { sampleRatio } from '../../runtime/rollout/sample-ratio.ts'
import { openRandom, type Random } from '../runtime/drift/random.ts'
import { allGuards, type Ended, type Release, release, usual, type Version } from '../runtime/rollout/release.ts'
import { leavesZero } from '../runtime/rollout/returning.ts'
import { watchRate } from '../runtime/rollout/watch-rate.ts'

const [wantedRuns = '400', ...wanted] = process.argv.slice(2)
const runs = Number(wantedRuns)
const began = performance.now()

const changes: [string, Partial<Version>][] = [
  ['unchanged', {}],
  ['+2 points of error', { errorRate: 0.04 }],
  ['+30 % latency', { latencyMs: 26 }],
  ['outputs + .5 sd', { output: 0.5 }],
  ['outcome .30 to .20', { outcome: 0.2 }],
]

const atMargin: [string, Partial<Version>, string][] = [
  ['+1 point of error', { errorRate: 0.03 }, 'error_rate'],
  ['1.2 times the latency', { latencyMs: 24 }, 'latency_p95'],
  ['outputs + .2 sd', { output: 0.2 }, 'drift'],
  ['outcome .30 to .25', { outcome: 0.25 }, 'outcome'],
]

const correlations = [
  [1, 0],
  [5, 0.2],
  [20, 0.5],
] as const

console.log(
  `rollouts, ${runs} runs a cell; guards: errors +.01, p95 × 1.2, drift .2 sd, outcome -.05, sample ratio .001`,
)
console.log('base: 2 % errors, 20 ms, outcome .30; alpha .05 over the rollout; at most 200,000 units a step')

const parts: Record<string, () => void> = { releases: printMain, ratios, effects, returning, rates, margins, others }
for (const [name, print] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) print()

console.log(`\n${Math.round((performance.now() - began) / 60_000)} min`)

function printMain(): void {
  console.log(
    '\nreleases with all guards: where they ended; units of all deployments and of the new one, median / most',
  )
  printReleases([10, 25, 100], 5, 0.2)
  printReleases([5, 25, 100], 5, 0.2)
}

function margins(): void {
  console.log(
    '\na change of just the margin, that guard alone, steps 10,100, 50,000 units: promoted and taken back at most alpha / 2 each',
  )
  for (const [title, change, metric] of atMargin) {
    const guards = allGuards.filter((guard) => guard.metric === metric)
    const ends = releases(
      { green: { ...usual, ...change }, steps: [10, 100], guards, rows: 5, correlation: 0.2 },
      50_000,
    )
    const [promoted, back] = [countOf(ends, 'completed'), countOf(ends, 'reverted')]
    const mark = Math.max(promoted, back) > limitOf(runs, 0.025) ? '  MISSES' : ''
    console.log(
      `${title.padEnd(22)}  promoted ${share(promoted)}  taken back ${share(back)}  open ${share(countOf(ends, 'open'))}${mark}`,
    )
  }
}

function ratios(): void {
  console.log(
    '\nsample ratio at .001, a look each 50 units: alarms of 1,000 equal splits within 50,000 units; units to an alarm',
  )
  for (const due of [0.5, 0.95, 0.99]) {
    const alarms = Array.from({ length: 1000 }, (_, i) => firstAlarm(openRandom(14e6 + i), due, due, 50_000))
    const hits = alarms.filter((at) => at !== undefined).length
    console.log(`${String(due).padEnd(5)} alarms ${hits} of 1000${hits > limitOf(1000, 0.001) ? '  MISSES' : ''}`)
  }
  for (const [truth, due] of [
    [0.53, 0.5],
    [0.54, 0.5],
    [0.55, 0.5],
    [0.94, 0.95],
  ] as const) {
    const alarms = Array.from({ length: 1000 }, (_, i) => firstAlarm(openRandom(15e6 + i), truth, due, 50_000))
    const within = alarms.filter((at) => at !== undefined && at <= 10_000).length
    const mark = truth === 0.54 && within < 990 ? '  MISSES' : ''
    const places = [0.5, 0.9].map((part) => quantile(alarms, part)).join(' / ')
    console.log(
      `${truth} where ${due} was due: median / p90 ${places}, within 10,000 units ${share(within, 1000)}${mark}`,
    )
  }
}

function effects(): void {
  console.log(
    '\nA/A, 200 looks of 50 units: runs in which the interval of an effect that is not there left zero, of 1,000',
  )
  for (const kind of ['half buy at .10', 'tenth buy at .02', 'half spend', 'tenth spend', 'half with CUPED'] as const) {
    const ends = Array.from({ length: 1000 }, (_, i) => falseEffects(openRandom(16e6 + i), kind))
    const absolute = ends.filter((each) => each.absolute).length
    const relative = ends.filter((each) => each.relative).length
    const mark = Math.max(absolute, relative) > 50 ? '  MISSES' : ''
    console.log(`${kind.padEnd(16)} absolute ${share(absolute, 1000)}  relative ${share(relative, 1000)}${mark}`)
  }

  console.log(
    '\nramps 5, 25, 50 % while the base rate is .02, .10, .30, no effect: interval of the effect left zero, of 1,000',
  )
  const ramps = Array.from({ length: 1000 }, (_, i) => ramp(openRandom(17e6 + i)))
  const [combined, pooled] = [ramps.filter((each) => each.combined).length, ramps.filter((each) => each.pooled).length]
  console.log(
    `by revision ${share(combined, 1000)}  pooled units ${share(pooled, 1000)}${combined > 50 ? '  MISSES' : ''}`,
  )
}

function returning(): void {
  console.log(
    '\nA/A, 60 looks, 2,000 units that come back in splits of 5, 20, 50 and 50 %: interval of the effect left zero, of 1,000',
  )
  for (const kind of ['who buys', 'what they spend', 'what they spend, with CUPED'] as const) {
    const left = Array.from({ length: 1000 }, (_, i) => leavesZero(kind, 18e6 + i)).filter(Boolean).length
    console.log(`${kind.padEnd(27)} ${share(left, 1000)}${left > limitOf(1000, 0.05) ? '  MISSES' : ''}`)
  }
}

function rates(): void {
  console.log(
    '\nrate guard alone, 100 looks of 500 units, margin .01, alpha .05 / 3: at .02 → .03, the margin, promoted and taken back at most alpha / 2 each;',
  )
  console.log('promoted at .02 → .02 and taken back at .02 → .06, with the median look')
  for (const green of [0.5, 0.05, 0.01]) {
    for (const [rows, correlation] of correlations) {
      const watch = (rate: number, seed: number) =>
        Array.from({ length: runs }, (_, i) =>
          watchRate(openRandom(seed + i), { share: green, rates: [0.02, rate], rows, correlation }),
        )
      const [wrong, same, worse] = [watch(0.03, 11e6), watch(0.02, 12e6), watch(0.06, 13e6)]
      const promoted = wrong.filter(({ verdict }) => verdict === 'fine').length
      const back = wrong.filter(({ verdict }) => verdict === 'worse').length
      const mark = Math.max(promoted, back) > limitOf(runs, 0.05 / 6) ? '  MISSES' : ''
      const title = `share ${green}`.padEnd(11) + `${rows} requests a unit, ρ ${correlation}`.padEnd(28)
      console.log(
        `${title}  at the margin: promoted ${share(promoted)}, taken back ${share(back)}  promoted ${found(same, 'fine')}  taken back ${found(worse, 'worse')}${mark}`,
      )
    }
  }
}

function others(): void {
  console.log('\nreleases again, with other requests of a unit')
  printReleases([10, 25, 100], 1, 0)
  printReleases([10, 25, 100], 20, 0.5)
}

function printReleases(steps: readonly number[], rows: number, correlation: number): void {
  for (const [title, change] of changes) {
    const ends = releases({ green: { ...usual, ...change }, steps, guards: allGuards, rows, correlation })
    const name = `${title.padEnd(19)}  ${String(steps).padEnd(9)}  ${rows} requests a unit, ρ ${correlation}`
    console.log(endLine(name, ends, title === 'unchanged'))
  }
}

function releases(plan: Omit<Release, 'mostUnits' | 'seed'>, mostUnits = 200_000): Ended[] {
  return Array.from({ length: runs }, (_, i) => release({ ...plan, mostUnits, seed: 90_000 + i }))
}

function endLine(name: string, ends: readonly Ended[], isUnchanged: boolean): string {
  const [done, back, open] = (['completed', 'reverted', 'open'] as const).map((state) => countOf(ends, state))
  const early = ends.filter(({ state, percent }) => state === 'reverted' && percent < 25).length
  const counts = (of: (end: Ended) => number) => {
    const sorted = ends.map(of).toSorted((a, b) => a - b)
    return `${sorted[Math.floor(sorted.length / 2)]} / ${sorted.at(-1)}`
  }
  const ended = isUnchanged
    ? `completed ${share(done ?? 0)}, taken back ${share(back ?? 0)}`
    : `taken back before 25 % ${share(early)}, promoted to 100 % ${done}, to 25 % ${ends.filter(({ percent }) => percent >= 25).length}`
  const isMissed = isUnchanged
    ? (back ?? 0) > limitOf(runs, 0.05)
    : early < 0.99 * runs || ends.some(({ percent }) => percent >= 25)
  const broken = [...new Set(ends.flatMap((end) => end.broken))].join(', ')
  const units = `units ${counts((end) => end.units)}, of the new ${counts((end) => end.greenUnits)}`
  return `${name}  ${ended}, open ${open}  ${units}${broken && `  by ${broken}`}${isMissed ? '  MISSES' : ''}`
}

function countOf(ends: readonly Ended[], state: Ended['state']): number {
  return ends.filter((end) => end.state === state).length
}

function found(ends: readonly { verdict: string; look: number }[], verdict: string): string {
  const looks = ends.map((end) => (end.verdict === verdict ? end.look : undefined))
  return `${share(looks.filter((look) => look !== undefined).length)} at ${quantile(looks, 0.5)}`
}

/** `never` where so many were not found. */
function quantile(values: readonly (number | undefined)[], part: number): string {
  const sorted = values.map((value) => value ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b)
  const value = sorted[Math.floor(part * sorted.length)] ?? Number.POSITIVE_INFINITY
  return Number.isFinite(value) ? String(value) : 'never'
}

function share(count: number, of = runs): string {
  return (count / of).toFixed(3)
}

/** The most of `count` runs that a rate explains, two standard errors up. */
function limitOf(count: number, rate: number): number {
  return rate * count + 2 * Math.sqrt(rate * count)
}

function firstAlarm(random: Random, truth: number, due: number, most: number): number | undefined {
  let first = 0
  for (let units = 50; units <= most; units += 50) {
    first += random.binomial(50, truth)
    if (sampleRatio([first, units - first], [due, 1 - due], 0.001).alarm) return units
  }
  return undefined
}

function falseEffects(random: Random, kind: string) {
  const [control, treatment] = [openUnitSums(), openUnitSums()]
  const left = { absolute: false, relative: false }
  for (let look = 0; look < 200; look++) {
    for (let unit = 0; unit < 50; unit++) {
      const before = random.normal()
      // A few spend much: a log-normal sum, of which the pre-period value explains a half.
      const spent = Math.exp(Math.SQRT1_2 * (before + random.normal()))
      const value = kind.includes('buy') ? Number(random.uniform() < Number(kind.split(' ').at(-1))) : spent
      const isTreated = random.uniform() < (kind.startsWith('half') ? 0.5 : 0.1)
      addUnit(isTreated ? treatment : control, value, kind === 'half with CUPED' ? before : 0)
    }
    const effect = effectOf(control, treatment)
    if (effect === undefined) continue
    left.absolute ||= isBeyond(effect.absolute)
    left.relative ||= effect.relative !== undefined && isBeyond(effect.relative)
  }
  return left
}

function ramp(random: Random) {
  const base = [0.02, 0.1, 0.3]
  const revisions: Revision[] = [0.05, 0.25, 0.5].map((green, i) => {
    const revision = { control: openUnitSums(), treatment: openUnitSums() }
    for (let unit = 0; unit < 10_000; unit++) {
      addUnit(
        random.uniform() < green ? revision.treatment : revision.control,
        Number(random.uniform() < (base[i] ?? 0)),
      )
    }
    return revision
  })
  const all = { control: openUnitSums(), treatment: openUnitSums() }
  for (const revision of revisions) {
    for (const arm of ['control', 'treatment'] as const) {
      for (const key of ['units', 'y', 'yy', 'yyy'] as const) all[arm][key] += revision[arm][key]
    }
  }
  const combined = combineEffects(revisions)
  const naive = effectOf(all.control, all.treatment)
  return {
    combined: combined !== undefined && isBeyond(combined.absolute),
    pooled: naive !== undefined && isBeyond(naive.absolute),
  }
}

function isBeyond(estimate: Parameters<typeof intervalOf>[0]): boolean {
  const { low, high } = intervalOf(estimate, 0.05)
  return low > 0 || high < 0
}
