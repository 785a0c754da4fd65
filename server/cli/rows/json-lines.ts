/** Rows of a file with one JSON record a line. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Row, RowFile } from './row.ts'

const batchRows = 1024
const record = z.record(z.string(), z.unknown())

export function openJsonLines(path: string): RowFile {
  return {
    columns: [],
    async *read() {
      let [batch, number] = [[] as Row[], 0]
      for await (const line of createInterface({
        input: createReadStream(path),
        crlfDelay: Number.POSITIVE_INFINITY,
      })) {
        number++
        if (line.trim() === '') continue
        batch.push(parseRecord(line, number))
        if (batch.length < batchRows) continue
        yield batch
        batch = []
      }
      if (batch.length > 0) yield batch
    },
  }
}

function parseRecord(line: string, number: number): Row {
  try {
    return record.parse(JSON.parse(line))
  } catch (thrown) {
    const why = `line ${number} is no JSON record, want {"column": value, …} on a line of its own`
    throw new SelvedgeError('BASELINE_INVALID', why, {}, { cause: thrown })
  }
}
