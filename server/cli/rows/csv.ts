/** Rows of a CSV file (RFC 4180) whose first line names the columns. */
import { createReadStream } from 'node:fs'
import { CsvError, parse } from 'csv-parse'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Row, RowFile } from './row.ts'

const batchRows = 1024

export async function openCsv(path: string): Promise<RowFile> {
  const header = await readLines(path, 1).next()
  const columns = header.done ? undefined : header.value[0]
  if (columns === undefined) throw new SelvedgeError('BASELINE_INVALID', 'the CSV file is empty, want a header line')
  const twice = columns.find((column, i) => columns.indexOf(column) < i)
  if (twice !== undefined) {
    throw new SelvedgeError('BASELINE_INVALID', `the CSV file names the column "${twice}" twice`)
  }
  return {
    columns,
    async *read() {
      let isHeader = true
      for await (const lines of readLines(path)) {
        const rows = isHeader ? lines.slice(1) : lines
        isHeader = false
        if (rows.length > 0)
          yield rows.map((cells): Row => Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ''])))
      }
    },
  }
}

/** @param most - lines to read; all where it is left out */
async function* readLines(path: string, most?: number): AsyncGenerator<string[][]> {
  const source = createReadStream(path)
  const lines = source.pipe(parse({ bom: true, skip_empty_lines: true, ...(most !== undefined && { to: most }) }))
  let batch: string[][] = []
  try {
    for await (const cells of lines) {
      batch.push(cells as string[])
      if (batch.length < batchRows) continue
      yield batch
      batch = []
    }
  } catch (thrown) {
    if (!(thrown instanceof CsvError)) throw thrown
    throw new SelvedgeError('BASELINE_INVALID', `the CSV file: ${thrown.message}`)
  } finally {
    source.destroy()
  }
  if (batch.length > 0) yield batch
}
