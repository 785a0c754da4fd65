/** `selvedge score`: classes or values for rows of a CSV or JSON file. */
import type { Command } from 'commander'
import { openContext } from './context.ts'
import { parseName } from './names.ts'
import { readRows } from './records.ts'
import { readEndpoint, type ScoredRow, scoreRecords } from './scoring.ts'
import { renderNumber, renderTable } from './table.ts'

interface Flags {
  unitColumn?: string
  deployment?: string
  csv?: boolean
}

export function addScore(program: Command): void {
  program
    .command('score')
    .description(
      'Score rows. Columns that are no features of the endpoint are not sent; features without a column are missing.',
    )
    .argument('<endpoint>', 'such as housing', parseName)
    .argument('<rows>', 'a CSV or JSON file, or - for standard input')
    .option('--unit-column <column>', 'column that names the unit of a row: the same unit gets the same deployment')
    .option('--deployment <name>', 'ask this deployment, whatever the split', parseName)
    .option('--csv', 'write CSV')
    .action(async (endpoint: string, source: string, _, command: Command) => {
      const { options, output, scoring } = openContext<Flags>(command)
      const { features, batch } = await readEndpoint(scoring, endpoint)
      const { records, units, leftOut, absent } = await readRows(source, features, options.unitColumn)
      const others = leftOut.filter((column) => column !== options.unitColumn)
      if (others.length > 0) output.note(`not sent, no features of ${endpoint}: ${others.join(', ')}`)
      if (absent.length > 0) output.note(`missing in every row, no column: ${absent.join(', ')}`)
      const progress = output.progress(`Scoring ${records.length} rows`)
      const { deployment } = options
      const rows = await scoreRecords(scoring, endpoint, records, {
        units,
        deployment,
        batch,
        progress: progress.update,
      }).finally(progress.end)
      output.result(rows.map(encodeRow), () => (options.csv ? renderCsv(rows) : renderScores(rows)))
    })
}

/** One line a row: class and its scores or the value, and who answered. */
export function renderScores(rows: readonly ScoredRow[]): string {
  const { columns, cells } = tabulate(rows, renderNumber)
  return renderTable(
    columns.map((title, i) => ({
      title: title.toUpperCase(),
      align: i === 0 || isNumber(cells, i) ? 'right' : 'left',
    })),
    cells,
  )
}

/** As {@link renderScores}, with every digit and with quotes where they are needed. */
export function renderCsv(rows: readonly ScoredRow[]): string {
  const { columns, cells } = tabulate(rows, String)
  return [columns, ...cells].map((line) => `${line.map(quote).join(',')}\n`).join('')
}

function tabulate(rows: readonly ScoredRow[], number: (value: number) => string) {
  const classes = [
    ...new Set(rows.flatMap(({ prediction }) => ('class' in prediction ? Object.keys(prediction.scores) : []))),
  ]
  // Of a hundred classes a person reads the winner.
  const shown = classes.slice(0, 12)
  const value = rows.some(({ prediction }) => 'value' in prediction)
  const columns = ['row', ...(value ? ['value'] : ['class', ...shown]), 'deployment', 'version', 'provider']
  const cells = rows.map(({ prediction, deployment, version, provider }, i) => [
    String(i + 1),
    ...('value' in prediction
      ? [number(prediction.value)]
      : [prediction.class, ...shown.map((name) => number(prediction.scores[name] ?? Number.NaN))]),
    deployment,
    String(version),
    provider,
  ])
  return { columns, cells }
}

function encodeRow({ prediction, ...who }: ScoredRow): unknown {
  return { ...prediction, ...who }
}

function isNumber(cells: readonly string[][], column: number): boolean {
  return cells.every((row) => row[column] === 'NaN' || Number.isFinite(Number(row[column])))
}

function quote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
