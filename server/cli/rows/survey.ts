/** What the columns of a file hold, found in one reading of it. */
import { categoryText } from '../../../runtime/telemetry/profile.ts'
import { isMissing, parseNumber } from '../csv.ts'
import type { RowFile } from './row.ts'

export interface Survey {
  rows: number
  columns: ReadonlyMap<string, ColumnFacts>
}

export interface ColumnFacts {
  /** Every value is a finite number or missing, and at least one is there. */
  isNumeric: boolean
  /** It counts the rows: an identifier. */
  isRowNumber: boolean
  /** Different values as text, sorted; undefined where there are more than a profile has categories, or texts as long. */
  values: string[] | undefined
  /** Rows with a value. */
  filled: number
}

/** Categories that a profile can have, and the length of their names. */
const [mostValues, longest] = [10_000, 256]

export async function surveyRows(file: RowFile): Promise<Survey> {
  const found = new Map(file.columns.map((column) => [column, openFacts()]))
  let rows = 0
  for await (const batch of file.read()) {
    for (const row of batch) {
      for (const [column, cell] of Object.entries(row)) {
        let facts = found.get(column)
        if (facts === undefined) {
          facts = openFacts()
          found.set(column, facts)
        }
        facts.add(cell, rows)
      }
      rows++
    }
  }
  return { rows, columns: new Map([...found].map(([column, facts]) => [column, facts.told(rows)])) }
}

/** Text of a cell, or undefined where it has no value. */
export function cellText(cell: unknown): string | undefined {
  if (cell instanceof Date) return cell.toISOString()
  if (typeof cell !== 'string') return categoryText(cell)
  return isMissing(cell) ? undefined : cell
}

/** The number of a cell, or undefined where it has none. */
export function cellNumber(cell: unknown): number | undefined {
  if (typeof cell === 'string') return parseNumber(cell)
  if (typeof cell === 'boolean') return cell ? 1 : 0
  return typeof cell === 'number' || typeof cell === 'bigint' ? Number(cell) : undefined
}

function openFacts() {
  let [filled, numbers, first] = [0, 0, Number.NaN]
  let isRowNumber = true
  let values: Set<string> | undefined = new Set()
  return {
    add(cell: unknown, row: number) {
      const number = typeof cell === 'boolean' ? undefined : cellNumber(cell)
      // What reads like a number has a value, and is not asked a second time.
      const text = typeof cell === 'string' && number !== undefined ? cell : cellText(cell)
      if (text === undefined) {
        // A list or a record is a value, but none that could be counted.
        if (cell !== null && cell !== undefined && typeof cell === 'object') filled++
        return
      }
      filled++
      if (number !== undefined) numbers++
      if (filled === 1 && number !== undefined) first = number - row
      if (number !== first + row) isRowNumber = false
      if (values === undefined) return
      values.add(text)
      if (values.size > mostValues || text.length > longest) values = undefined
    },
    told(rows: number): ColumnFacts {
      const isNumeric = filled > 0 && numbers === filled
      return {
        isNumeric,
        isRowNumber: isRowNumber && filled === rows && rows > 1,
        values: values && [...values].sort(),
        filled,
      }
    },
  }
}
