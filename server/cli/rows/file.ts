/** A file of rows: CSV with a header, one JSON record a line, or Parquet; read in batches, as often as it is asked. */
import { open } from 'node:fs/promises'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { openCsv } from './csv.ts'
import { openJsonLines } from './json-lines.ts'
import type { RowFile } from './row.ts'

/**
 * The format is told by what the file begins with, not by its name.
 *
 * @throws {@link SelvedgeError} `USAGE` where it cannot be read, `BASELINE_INVALID` where it is none of the three
 */
export async function openRowFile(path: string): Promise<RowFile> {
  const start = await readStart(path)
  if (start.startsWith('PAR1')) {
    // Few commands read Parquet, and all would wait for it.
    const { openParquet } = await import('./parquet.ts')
    return await openParquet(path)
  }
  return start.trimStart().startsWith('{') ? openJsonLines(path) : await openCsv(path)
}

async function readStart(path: string): Promise<string> {
  try {
    const file = await open(path)
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0)
      return buffer.subarray(0, bytesRead).toString('latin1')
    } finally {
      await file.close()
    }
  } catch (thrown) {
    throw new SelvedgeError('USAGE', `"${path}" is not there or cannot be read`, {}, { cause: thrown })
  }
}
