/**
 * Proof of what drift verdicts claim: false alarms over a monitor's 200 looks, power at 500 effective rows, and delay after
 * a change, by our own code and seeds (evidence, sections 2 to 4, and what it lists as not simulated). Prints a line a cell;
 * cells that miss are marked, not hidden, and a cell that time did not reach is counted. What it printed lies beside it.
 *
 * `node test/proof/drift-simulation.ts [--without <file>] [runs a cell] [minutes] [file] [words]`: cells are taken one after
 * the other, those first that say most for their price; only cells in whose line all the words stand, and that do not stand
 * in the file of an earlier run. The file is written anew every minute.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { findAlarms, isAnyAlarm } from '../runtime/drift/alarms.ts'
import { type Cell, nullCell } from '../runtime/drift/simulate.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { without: { type: 'string' } } })
const [wantedRuns = '6000', minutes = '600', file, ...words] = positionals
const earlier = values.without === undefined ? [] : readFileSync(values.without, 'utf8').split('\n')
/** Titles of cells that ran before. */
const done = new Set(earlier.map((line) => /^(.*?) +\d+ runs/.exec(line)?.[1]?.trim()))

interface Tally {
  title: string
  cell: Cell
  /** What is printed and marked: the most of f = 1, 10, 50 that may alarm, the least that must, or how long that takes. */
  claim: 'false alarms' | 'power' | 'delay' | 'together'
  /** Number of its seed: a cell has the same runs wherever it stands. */
  seed: number
  /** Order of what is run first. */
  rank: number
  runs: number
  /** Runs that it gets at most. */
  most: number
  /** First alarms of a feature at the thresholds of 1, 10 and 50 features. */
  first: number[][]
}

const features = [1, 10, 50]
const kinds = ['numeric', 'categorical', 'tied'] as const
const tallies = [...nullCells(), ...powerCells(), ...delayCells()]
  .map((tally, i) => ({ ...tally, seed: i + 1 }))
  // Fields stand two spaces apart.
  .filter(({ title }) => words.every((word) => ` ${title} `.includes(` ${word} `)) && !done.has(title.trim()))
const began = performance.now()
let written = began

for (const tally of tallies.toSorted((a, b) => a.rank - b.rank)) {
  for (; tally.runs < Math.min(Number(wantedRuns), tally.most) && !isOver(); tally.runs++) {
    const seed = 1_000_000 * tally.seed + tally.runs
    if (tally.claim === 'together') {
      tally.first.push([0, 0, isAnyAlarm(tally.cell, seed, 50) ? 1 : Number.POSITIVE_INFINITY])
    } else tally.first.push(findAlarms(tally.cell, seed, features))
    if (performance.now() - written > 60_000) write()
  }
}
write()

function isOver(): boolean {
  return performance.now() - began > Number(minutes) * 60_000
}

function write(): void {
  written = performance.now()
  const text = `${render().join('\n')}\n`
  if (file === undefined) {
    if (isOver() || tallies.every(({ runs, most }) => runs >= Math.min(Number(wantedRuns), most))) console.log(text)
  } else writeFileSync(file, text)
}

function nullCells(): Tally[] {
  const cells: Tally[] = []
  for (const kind of kinds) {
    for (const correlation of [0, 0.05, 0.2, 0.5]) {
      for (const baselineRows of [500, 1000, 5832, 20_000]) {
        for (const [rows, senders, price] of [
          [50, 1, 1],
          [50, 10, 1],
          [50, 50, 1],
          [500, 1, 1],
          [500, 10, 3],
          [500, 100, 5],
          [500, 500, 1],
          [5000, 1, 1],
          [5000, 10, 3],
          [5000, 1000, 9],
        ] as const) {
          const base = { kind, correlation, baselineRows, rows, senders }
          // The ends of the range first, then what lies between.
          const rank = price + (baselineRows === 500 || baselineRows === 20_000 ? 0 : 3)
          // In a window of its own a sender of one row cannot be correlated: those are the cells of ρ 0.
          if (correlation === 0 || senders !== rows) cells.push(tallyOf('false alarms', base, rank))
          if (rows <= 500 && correlation > 0) {
            cells.push(tallyOf('false alarms', { ...base, dayWindows: 24 }, rank + (rows === 50 ? 2 : 4)))
          }
        }
      }
    }
  }
  for (const kind of ['numeric', 'tied'] as const) {
    for (const baselineRows of [1000, 20_000]) {
      // Busy senders have another mix of rows, as the baseline has.
      for (const dayWindows of [1, 24]) {
        if (kind === 'tied') continue
        cells.push(
          tallyOf(
            'false alarms',
            { kind, baselineRows, rows: 180, senders: 20, correlation: 0.05, busyShift: 0.5, dayWindows },
            2.5,
            baselineRows === 20_000 ? 1000 : undefined,
          ),
        )
      }
    }
  }
  for (const featureCorrelation of [0.5, 0.9]) {
    cells.push(tallyOf('together', { correlation: 0.2, featureCorrelation, baselineRows: 5832 }, 2.5, 600))
  }
  return cells
}

function powerCells(): Tally[] {
  const shapes: Partial<Cell>[] = [
    { rows: 50, senders: 50, looks: 10 },
    { correlation: 0.2, rows: 225, senders: 45, looks: 4 },
    { correlation: 0.5, rows: 150, senders: 30, looks: 10 },
    { correlation: 0.05, rows: 702, senders: 78, looks: 1 },
    { correlation: 0.05, rows: 450, senders: 9, looks: 4 },
    { kind: 'tied', rows: 50, senders: 50, looks: 10 },
    { kind: 'tied', rows: 50, senders: 50, looks: 10, shift: -0.3 },
    { kind: 'categorical', rows: 50, senders: 50, looks: 10 },
    { kind: 'categorical', rows: 50, senders: 50, looks: 10, shift: -0.3 },
  ]
  return shapes.flatMap((shape) =>
    [500, 1000, 5832, 20_000].map((baselineRows) => tallyOf('power', { shift: 0.3, ...shape, baselineRows }, 0)),
  )
}

function delayCells(): Tally[] {
  const calm = { rows: 500, senders: 500, shift: 0.3, looks: 515, changeAt: 500 }
  return [1000, 5832].flatMap((baselineRows) =>
    [
      ...[0, 50, 500].map((changeAt) => ({ ...calm, changeAt, looks: changeAt + 15 })),
      { ...calm, correlation: 0.2, senders: 100 },
      { ...calm, kind: 'categorical' as const },
      { ...calm, kind: 'tied' as const },
      // Slow ramps, and changes that come and go.
      { ...calm, rampWindows: 20, looks: 540 },
      { ...calm, rampWindows: 100, looks: 620 },
      { ...calm, onWindows: 1, looks: 530 },
      { ...calm, onWindows: 5, looks: 530 },
    ].map((cell) =>
      tallyOf('delay', { ...cell, baselineRows }, cell.senders === 100 ? 2.6 : 0.5, cell.senders === 100 ? 300 : 1000),
    ),
  )
}

function tallyOf(claim: Tally['claim'], changes: Partial<Cell>, rank: number, most = Number.POSITIVE_INFINITY): Tally {
  const cell = { ...nullCell, ...changes }
  const { kind, correlation, baselineRows, rows, senders, looks, dayWindows, changeAt, shift } = cell
  const title = [
    kind.padEnd(11),
    `ρ ${correlation}`.padEnd(6),
    `m ${baselineRows}`.padEnd(7),
    `n ${rows}`.padEnd(6),
    `k ${senders}`.padEnd(6),
    `T ${looks}`.padEnd(5),
    ...(dayWindows > 1 ? [`day ${dayWindows}`] : []),
    ...(shift < 0 ? [`shift ${shift}`] : []),
    ...(cell.busyShift > 0 ? [`busy senders ${cell.busyShift} above`] : []),
    ...(cell.featureCorrelation > 0 ? [`features ${cell.featureCorrelation}`] : []),
    ...(claim === 'delay' ? [`change at ${changeAt}`] : []),
    ...(cell.rampWindows > 0 ? [`ramp ${cell.rampWindows}`] : []),
    ...(cell.onWindows > 0 ? [`on ${cell.onWindows} off ${cell.onWindows}`] : []),
  ].join('  ')
  return { title, cell, claim, seed: 0, rank, runs: 0, most, first: [] }
}

function render(): string[] {
  const ran = tallies.filter(({ runs }) => runs > 0)
  const of = (claim: Tally['claim']) => ran.filter((tally) => tally.claim === claim)
  const nulls = of('false alarms')
  const full = nulls.filter(({ runs }) => runs >= 6000)
  const missed = nulls.filter((tally) => missesOf(tally).length > 0)
  return [
    `drift evidence, ${Math.round((performance.now() - began) / 60_000)} min`,
    `cells: ${ran.length} of ${tallies.length} begun; false alarms: ${full.length} of ${nulls.length} begun have 6,000 runs or more`,
    `false alarms over 5 % by more than chance explains: ${missed.length} of ${nulls.length} cells`,
    '',
    'false alarms: rates at f = 1 / 10 / 50; 10 and 50 are 1 - (1 - q)^f of independent features',
    ...nulls.map(falseAlarmLine),
    ...kinds.flatMap((kind) => [0, 0.05, 0.2, 0.5].flatMap((correlation) => pooledLine(kind, correlation))),
    '',
    'fifty features that are correlated with each other, at the threshold of fifty: monitors with any alarm',
    ...of('together').map(({ title, runs, first }) => {
      const rate = first.filter((found) => Number.isFinite(found[2])).length / runs
      return `${title}  ${String(runs).padStart(5)} runs  ${show(rate)}${rate > 0.05 ? '  MISSES' : ''}`
    }),
    '',
    'power: found within the looks, f = 1 / 10 / 50',
    ...of('power').map(powerLine),
    '',
    'delay in windows after the change, median/p90 (runs that alarmed before are left out), f = 1 / 10 / 50',
    ...of('delay').map(delayLine),
  ]
}

function hitsOf({ first }: Tally): number[] {
  return features.map((_, i) => first.filter((found) => Number.isFinite(found[i])).length)
}

// The most hits that 5 % of monitors explain, two standard errors up: one of a few runs at f = 50 says nothing.
function missesOf(tally: Tally): number[] {
  const hits = hitsOf(tally)
  return features.filter((f, i) => {
    const q = 1 - 0.95 ** (1 / f)
    return (hits[i] ?? 0) > Math.max(1, q * tally.runs + 2 * Math.sqrt(q * tally.runs))
  })
}

function falseAlarmLine(tally: Tally): string {
  const { title, runs } = tally
  const hits = hitsOf(tally)
  const rates = features.map((f, i) => 1 - (1 - (hits[i] ?? 0) / runs) ** f)
  const over = features.filter((_, i) => (rates[i] ?? 0) > 0.05)
  const misses = missesOf(tally)
  const mark =
    misses.length > 0
      ? `  MISSES at f = ${misses.join(', ')}`
      : over.length > 0
        ? `  over .05 at f = ${over.join(', ')}`
        : ''
  return `${title}  ${String(runs).padStart(5)} runs  ${rates.map(show).join(' / ')}  hits ${hits.join(' ')}${mark}`
}

function pooledLine(kind: string, correlation: number): string[] {
  const pool = tallies.filter(
    ({ claim, cell }) =>
      claim === 'false alarms' && cell.kind === kind && cell.correlation === correlation && cell.busyShift === 0,
  )
  const runs = pool.reduce((sum, tally) => sum + tally.runs, 0)
  if (runs === 0) return []
  const rates = features.map((f, i) => {
    const hits = pool.reduce((sum, tally) => sum + (hitsOf(tally)[i] ?? 0), 0)
    return 1 - (1 - hits / runs) ** f
  })
  return [`pooled ${kind}, ρ ${correlation}: ${runs} runs  ${rates.map(show).join(' / ')}`]
}

function powerLine(tally: Tally): string {
  const { title, runs, cell } = tally
  const rates = hitsOf(tally).map((hits) => hits / runs)
  const clusters = cell.senders * cell.looks
  const isClaimed = (f: number) => {
    if (cell.kind !== 'numeric') return false
    if (f === 1) return cell.baselineRows >= 1000
    if (f === 10) return cell.baselineRows >= (clusters >= 180 ? 1000 : 5832)
    return cell.baselineRows >= 5832 && clusters >= 78
  }
  const under = (isOf: (f: number) => boolean) => features.filter((f, i) => isOf(f) && (rates[i] ?? 0) < 0.9)
  const misses = under(isClaimed)
  const others = under((f) => !isClaimed(f))
  const mark =
    misses.length > 0
      ? `  MISSES at f = ${misses.join(', ')}`
      : others.length > 0
        ? `  under .9 at f = ${others.join(', ')}`
        : ''
  return `${title}  ${String(runs).padStart(5)} runs  ${rates.map(show).join(' / ')}${mark}`
}

function delayLine({ title, first, runs, cell }: Tally): string {
  const parts = features.map((_, i) => {
    const delays = first.map((found) => (found[i] ?? 0) - cell.changeAt).filter((delay) => delay > 0)
    const sorted = delays.toSorted((a, b) => a - b)
    const [median = Number.POSITIVE_INFINITY, late = Number.POSITIVE_INFINITY] = [0.5, 0.9].map(
      (share) => sorted[Math.floor(share * sorted.length)],
    )
    return { median, text: [median, late].map((delay) => (Number.isFinite(delay) ? delay : 'later')).join('/') }
  })
  // Three windows of 500 rows are claimed of a jump at window 500 in numeric features.
  const isClaimed = cell.kind === 'numeric' && cell.correlation === 0 && cell.rampWindows === 0 && cell.onWindows === 0
  const mark = isClaimed && parts.some(({ median }) => median > 3) ? '  MISSES' : ''
  return `${title}  ${String(runs).padStart(5)} runs  ${parts.map(({ text }) => text).join('  ')}${mark}`
}

function show(rate: number): string {
  return rate.toFixed(3)
}
