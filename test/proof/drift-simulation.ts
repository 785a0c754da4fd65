/**
 * Proof of what drift verdicts claim: false alarms over a monitor's 200 looks, power at 500 effective rows, and delay after
 * a change, by our own code and seeds (evidence, sections 2 to 4). Prints a line a cell; cells that miss are marked, not
 * hidden. What it printed lies beside it.
 *
 * `node test/proof/drift-simulation.ts [runs a cell] [minutes] [words]`: cells are taken in turn, a share of their runs each,
 * so that whatever time there is covers the whole grid, or the cells in whose line all the words stand.
 */
import { type Cell, firstAlarms, nullCell, simulate } from '../runtime/drift/simulate.ts'

const [wantedRuns = '6000', minutes = '600', ...words] = process.argv.slice(2)

interface Tally {
  title: string
  cell: Cell
  /** The most of f = 1, 10, 50 that may alarm, or the least that must. */
  claim: 'false alarms' | 'power' | 'delay'
  runs: number
  /** First alarms of a feature at the thresholds of 1, 10 and 50 features. */
  first: number[][]
}

const features = [1, 10, 50]
const grid = [...nullCells(), ...powerCells(), ...delayCells()]
// Fields stand two spaces apart.
const tallies = grid.filter(({ title }) => words.every((word) => ` ${title} `.includes(` ${word} `)))
const began = performance.now()
/** Runs of a cell in its turn: what is cheap has more. */
const turn: Record<Tally['claim'], number> = { 'false alarms': 20, power: 200, delay: 10 }

while (!isOver() && tallies.some(({ runs }) => runs < Number(wantedRuns))) {
  for (const tally of tallies) {
    if (isOver()) break
    const runs = Math.min(turn[tally.claim], Number(wantedRuns) - tally.runs)
    for (let run = 0; run < runs; run++) {
      const track = simulate(tally.cell, 1_000_000 * (grid.indexOf(tally) + 1) + tally.runs)
      tally.first.push(firstAlarms(track, features))
      tally.runs++
      if (isOver()) break
    }
  }
}

print()

function isOver(): boolean {
  return performance.now() - began > Number(minutes) * 60_000
}

function nullCells(): Tally[] {
  const cells: Tally[] = []
  for (const kind of ['numeric', 'categorical', 'tied'] as const) {
    for (const correlation of [0, 0.05, 0.2, 0.5]) {
      for (const baselineRows of [500, 1000, 5832, 20_000]) {
        for (const [rows, senders] of [
          [50, 1],
          [50, 10],
          [50, 50],
          [500, 1],
          [500, 10],
          [500, 100],
          [500, 500],
        ] as const) {
          // Uncorrelated rows are the same whoever sends them.
          if (correlation === 0 && senders !== rows) continue
          cells.push(tallyOf('false alarms', { kind, correlation, baselineRows, rows, senders }))
        }
      }
    }
  }
  for (const [senders, correlation] of [
    [10, 0.2],
    [100, 0.2],
    [100, 0.5],
  ] as const) {
    cells.push(tallyOf('false alarms', { correlation, senders, rows: senders * 5, dayWindows: 24 }))
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
    { kind: 'categorical', rows: 50, senders: 50, looks: 10 },
  ]
  return shapes.flatMap((shape) =>
    [500, 1000, 5832, 20_000].map((baselineRows) => tallyOf('power', { ...shape, baselineRows, shift: 0.3 })),
  )
}

function delayCells(): Tally[] {
  return [1000, 5832].flatMap((baselineRows) =>
    [0, 50, 500].map((changeAt) =>
      tallyOf('delay', { baselineRows, rows: 500, senders: 500, changeAt, looks: changeAt + 15, shift: 0.3 }),
    ),
  )
}

function tallyOf(claim: Tally['claim'], changes: Partial<Cell>): Tally {
  const cell = { ...nullCell, ...changes }
  const { kind, correlation, baselineRows, rows, senders, looks, dayWindows, changeAt } = cell
  const title = [
    kind.padEnd(11),
    `ρ ${correlation}`.padEnd(6),
    `m ${baselineRows}`.padEnd(7),
    `n ${rows}`.padEnd(5),
    `k ${senders}`.padEnd(5),
    `T ${looks}`,
    ...(dayWindows > 1 ? [`day ${dayWindows}`] : []),
    ...(claim === 'delay' ? [`change at ${changeAt}`] : []),
  ].join('  ')
  return { title, cell, claim, runs: 0, first: [] }
}

function print(): void {
  console.log(
    `drift evidence, ${(performance.now() - began) / 60_000 < 1 ? '<1' : Math.round((performance.now() - began) / 60_000)} min`,
  )
  const ran = tallies.filter(({ runs }) => runs > 0)
  console.log(`cells run: ${ran.length} of ${grid.length}; not in the grid: 5,000 rows a window, 1,000 senders`)
  console.log('\nfalse alarms: rates at f = 1 / 10 / 50; 10 and 50 are 1 - (1 - q)^f of independent features')
  for (const tally of ran.filter(({ claim }) => claim === 'false alarms')) console.log(falseAlarmLine(tally))
  for (const kind of ['numeric', 'categorical', 'tied']) {
    for (const correlation of [0, 0.05, 0.2, 0.5]) printPooled(kind, correlation)
  }
  console.log('\npower: found within the looks, f = 1 / 10 / 50')
  for (const tally of ran.filter(({ claim }) => claim === 'power')) console.log(powerLine(tally))
  console.log(
    '\ndelay in windows after the change, median/p90 (runs that alarmed before are left out), f = 1 / 10 / 50',
  )
  for (const tally of ran.filter(({ claim }) => claim === 'delay')) console.log(delayLine(tally))
}

function falseAlarmLine({ title, first, runs }: Tally): string {
  const hits = features.map((_, i) => first.filter((found) => Number.isFinite(found[i])).length)
  const rates = features.map((f, i) => 1 - (1 - (hits[i] ?? 0) / runs) ** f)
  // The most hits that 5 % of monitors explain, two standard errors up: one of a few runs at f = 50 says nothing.
  const misses = features.filter((f, i) => {
    const q = 1 - 0.95 ** (1 / f)
    return (hits[i] ?? 0) > Math.max(1, q * runs + 2 * Math.sqrt(q * runs))
  })
  const mark = misses.length > 0 ? `  MISSES at f = ${misses.join(', ')}` : ''
  return `${title}  ${String(runs).padStart(5)} runs  ${rates.map(show).join(' / ')}  hits ${hits.join(' ')}${mark}`
}

function printPooled(kind: string, correlation: number): void {
  const pool = tallies.filter(
    ({ claim, cell }) =>
      claim === 'false alarms' && cell.kind === kind && cell.correlation === correlation && cell.dayWindows === 1,
  )
  const all = pool.flatMap(({ first }) => first)
  if (all.length === 0) return
  const rates = features.map(
    (f, i) => 1 - (1 - all.filter((found) => Number.isFinite(found[i])).length / all.length) ** f,
  )
  console.log(`pooled ${kind}, ρ ${correlation}: ${all.length} runs  ${rates.map(show).join(' / ')}`)
}

function powerLine({ title, first, runs, cell }: Tally): string {
  const rates = features.map((_, i) => first.filter((found) => Number.isFinite(found[i])).length / runs)
  const isClaimed = (f: number) =>
    cell.kind !== 'categorical' &&
    (f === 1
      ? cell.baselineRows >= 1000
      : f === 10
        ? cell.baselineRows >= (cell.senders * cell.looks >= 180 && cell.kind === 'numeric' ? 1000 : 5832)
        : cell.baselineRows >= 5832 && cell.senders * cell.looks >= 78)
  const misses = features.filter((f, i) => isClaimed(f) && (rates[i] ?? 0) < 0.9)
  const mark = misses.length > 0 ? `  MISSES at f = ${misses.join(', ')}` : ''
  return `${title}  ${String(runs).padStart(5)} runs  ${rates.map(show).join(' / ')}${mark}`
}

function delayLine({ title, first, runs, cell }: Tally): string {
  const parts = features.map((_, i) => {
    const delays = first.map((found) => (found[i] ?? 0) - cell.changeAt).filter((delay) => delay > 0)
    const sorted = delays.toSorted((a, b) => a - b)
    return [0.5, 0.9].map((share) => sorted[Math.floor(share * sorted.length)] ?? 'none').join('/')
  })
  return `${title}  ${String(runs).padStart(5)} runs  ${parts.join('  ')}`
}

function show(rate: number): string {
  return rate.toFixed(3)
}
