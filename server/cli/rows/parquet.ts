/** Rows of a Parquet file, one row group in memory at a time, column by column. */
import * as zlib from 'node:zlib'
import { asyncBufferFromFile, type Compressors, parquetMetadataAsync, parquetScan, parquetSchema } from 'hyparquet'
import { SelvedgeError } from '../../../runtime/errors.ts'
import type { Row, RowFile } from './row.ts'

const batchRows = 1024

// Node has it from 22.15 on.
const { zstdDecompressSync }: Partial<typeof zlib> = zlib

/** Snappy, the usual one, is the library's own. */
const compressors: Compressors = {
  GZIP: (bytes) => zlib.gunzipSync(bytes),
  BROTLI: (bytes) => zlib.brotliDecompressSync(bytes),
  ...(zstdDecompressSync && { ZSTD: (bytes) => zstdDecompressSync(bytes) }),
}

/** Nested columns are no numbers and no categories: their cells are refused where they are asked for. */
export async function openParquet(path: string): Promise<RowFile> {
  const file = await asyncBufferFromFile(path)
  const metadata = await read(() => parquetMetadataAsync(file))
  const columns = parquetSchema(metadata).children.map(({ element }) => element.name)
  const scan = await read(() => parquetScan({ file, metadata, compressors }))
  return {
    columns,
    async *read() {
      let groupStart = 0
      for (const group of metadata.row_groups) {
        const groupEnd = groupStart + Number(group.num_rows)
        const range = { rowStart: groupStart, rowEnd: groupEnd }
        const cells = await read(() => Promise.all(columns.map((column) => scan.readColumn({ column, ...range }))))
        for (let start = 0; start < groupEnd - groupStart; start += batchRows) {
          const length = Math.min(batchRows, groupEnd - groupStart - start)
          yield Array.from({ length }, (_, i): Row => {
            return Object.fromEntries(columns.map((column, c) => [column, cells[c]?.[start + i]]))
          })
        }
        groupStart = groupEnd
      }
    },
  }

  async function read<Value>(reading: () => Promise<Value>): Promise<Value> {
    try {
      return await reading()
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : 'it cannot be read'
      throw new SelvedgeError('BASELINE_INVALID', `the Parquet file: ${why}`, {}, { cause: thrown })
    }
  }
}
