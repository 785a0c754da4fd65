/** Rows of a CSV file (RFC 4180) with a header. */
import type { Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import type { Feature } from '../../runtime/contract/description.ts'
import { type ErrorCode, SelvedgeError } from '../../runtime/errors.ts'

export interface Table {
  columns: string[]
  /** As long as `columns` each. */
  rows: string[][]
}

/**
 * @param code - of the errors for a file that is no such table
 * @throws {@link SelvedgeError} `code` for a broken line, a row of another length, a header that names a column twice
 */
export async function readTable(source: Readable, code: ErrorCode): Promise<Table> {
  const rows: string[][] = []
  try {
    for await (const row of source.pipe(parse({ bom: true, skip_empty_lines: true }))) rows.push(row as string[])
  } catch (thrown) {
    if (thrown instanceof CsvError) throw new SelvedgeError(code, `the CSV file: ${thrown.message}`)
    throw thrown
  }
  const columns = rows.shift()
  if (columns === undefined) throw new SelvedgeError(code, 'the CSV file is empty, want a header line')
  const twice = columns.find((column, i) => columns.indexOf(column) < i)
  if (twice !== undefined) throw new SelvedgeError(code, `the CSV file names the column "${twice}" twice`)
  return { columns, rows }
}

/** Texts that spreadsheets, pandas and R write where a value is missing. */
const missing = new Set(['', 'NaN', 'nan', 'NA', 'N/A', 'null', 'NULL', 'None'])

export function isMissing(text: string): boolean {
  return missing.has(text.trim())
}

/** The number that a cell holds; undefined where it holds none. */
export function parseNumber(text: string): number | undefined {
  const trimmed = text.trim()
  // Number('') is 0, Number('0x10') is 16: neither is a number in a CSV file.
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(trimmed) ? Number(trimmed) : undefined
}

/**
 * One record a row, with the features alone: numbers for numeric ones, text for categorical ones, null where missing.
 *
 * @throws {@link SelvedgeError} `code` for a feature without a column, an image, a text where a number is wanted
 */
export function tableRecords(
  { columns, rows }: Table,
  features: readonly Feature[],
  code: ErrorCode,
): Record<string, number | string | null>[] {
  const places = features.map((feature) => {
    if (feature.kind === 'image') throw new SelvedgeError(code, `feature "${feature.name}" is an image, not a column`)
    const at = columns.indexOf(feature.name)
    if (at < 0) throw new SelvedgeError(code, `no column "${feature.name}"; the header has: ${columns.join(', ')}`)
    return { feature, at }
  })
  return rows.map((row, i) =>
    Object.fromEntries(places.map(({ feature, at }) => [feature.name, cellValue(feature, row[at] ?? '', i, code)])),
  )
}

function cellValue(feature: Feature, text: string, row: number, code: ErrorCode): number | string | null {
  if (feature.kind === 'categorical') return feature.values.includes(text) || !isMissing(text) ? text : null
  if (isMissing(text)) return null
  const value = parseNumber(text)
  if (value === undefined) {
    throw new SelvedgeError(code, `row ${row + 1}, column "${feature.name}": got text, want a number`)
  }
  return value
}
