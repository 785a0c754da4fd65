/** Rows to score, from CSV or JSON: an array of records, `{"records": […]}`, or one record a line. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { z } from 'zod'
import type { Feature } from '../../runtime/contract/description.ts'
import { SelvedgeError } from '../../runtime/errors.ts'
import { readTable, tableRecords } from './csv.ts'

export interface RowsToScore {
  records: Record<string, unknown>[]
  /** A unit a record, where a column was named for it. */
  units?: string[]
  /** Columns that are no features: they are not sent. */
  leftOut: string[]
  /** Features without a column: missing in every row. */
  absent: string[]
}

/**
 * @param source - a file, or `-` for standard input
 * @param features - of the endpoint; undefined where they are not known, and then everything is sent
 * @throws {@link SelvedgeError} `INVALID_REQUEST` for what is neither; `FEATURE_INVALID` and `FEATURE_UNKNOWN`
 */
export async function readRows(
  source: string,
  features: readonly Feature[] | undefined,
  unitColumn: string | undefined,
): Promise<RowsToScore> {
  const content = await text(source === '-' ? process.stdin : createReadStream(source)).catch((thrown) => {
    throw new SelvedgeError('USAGE', `"${source}" is not there or cannot be read`, {}, { cause: thrown })
  })
  return /^\s*[[{]/.test(content)
    ? pickRecords(parseRecords(content), features, unitColumn)
    : pickColumns(content, features, unitColumn)
}

const record = z.record(z.string(), z.unknown())
const documents = z.union([
  z.array(record),
  z.strictObject({ records: z.array(record) }).transform((body) => body.records),
  record.transform((one) => [one]),
])

function parseRecords(content: string): Record<string, unknown>[] {
  const parsed = documents.safeParse(parseJson(content) ?? content.split('\n').filter(Boolean).map(parseJson))
  if (parsed.success) return parsed.data
  throw new SelvedgeError('INVALID_REQUEST', 'want JSON records: [{feature: value}, …], {"records": […]} or one a line')
}

function parseJson(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return undefined
  }
}

function pickRecords(
  records: Record<string, unknown>[],
  features: readonly Feature[] | undefined,
  unitColumn: string | undefined,
): RowsToScore {
  const names = new Set(features?.map(({ name }) => name))
  const leftOut = new Set<string>()
  const picked = records.map((each) =>
    Object.fromEntries(
      Object.entries(each).filter(([name]) => {
        if (features === undefined ? name !== unitColumn : names.has(name)) return true
        leftOut.add(name)
        return false
      }),
    ),
  )
  const units = unitColumn === undefined ? undefined : records.map((each, i) => unitOf(each[unitColumn], unitColumn, i))
  return { records: picked, ...(units && { units }), leftOut: [...leftOut], absent: [] }
}

async function pickColumns(
  content: string,
  features: readonly Feature[] | undefined,
  unitColumn: string | undefined,
): Promise<RowsToScore> {
  const table = await readTable(Readable.from([content]), 'INVALID_REQUEST')
  if (features === undefined) {
    throw new SelvedgeError(
      'NO_FEATURES',
      'the endpoint names no features, so the columns of a CSV file mean nothing to it',
    )
  }
  const names = new Set(features.map(({ name }) => name))
  const at = unitColumn === undefined ? -1 : table.columns.indexOf(unitColumn)
  if (unitColumn !== undefined && at < 0) {
    throw new SelvedgeError('INVALID_REQUEST', `no column "${unitColumn}"; the header has: ${table.columns.join(', ')}`)
  }
  // As over HTTP, where a record may lack any feature; but a file without one of them is another file.
  const present = features.filter(({ name }) => table.columns.includes(name))
  if (present.length === 0) {
    const [has, wanted] = [table.columns.join(', '), [...names].join(', ')]
    throw new SelvedgeError(
      'FEATURE_INVALID',
      `no column is a feature: the header has ${has}; the features are ${wanted}`,
    )
  }
  return {
    records: tableRecords(table, present, 'FEATURE_INVALID'),
    ...(unitColumn !== undefined && { units: table.rows.map((row, i) => unitOf(row[at], unitColumn, i)) }),
    leftOut: table.columns.filter((column) => !names.has(column)),
    absent: [...names].filter((name) => !table.columns.includes(name)),
  }
}

function unitOf(value: unknown, column: string, row: number): string {
  if ((typeof value === 'string' && value !== '') || typeof value === 'number') return String(value)
  throw new SelvedgeError('INVALID_REQUEST', `row ${row + 1}: no unit in "${column}"`)
}
