/** Tables as Parquet, a row group at a time: what is held is one group, whatever the table's length. */
import type { BasicType } from 'hyparquet-writer'
import { ByteWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer'

export interface Column<Row> {
  name: string
  type: BasicType
  /** Whether rows may lack it. */
  nullable?: true
  /** One sentence; the file holds it. */
  about: string
  /** A date for TIMESTAMP, a bigint for INT64. */
  of(row: Row): string | number | bigint | Date | undefined
}

export interface Table<Row> {
  about: string
  columns: readonly Column<Row>[]
}

const groupRows = 10_000

/** Its columns are described in the file's metadata, too: `selvedge.about`, and `selvedge.columns` as JSON. */
export async function* encodeParquet<Row>(
  { about, columns }: Table<Row>,
  rows: AsyncIterable<Row>,
): AsyncGenerator<Uint8Array> {
  const writer = new ByteWriter()
  const open = (data: unknown[][]) =>
    columns.map(({ name, type, nullable = false }, i) => ({ name, type, nullable, data: data[i] ?? [] }))
  const parquet = new ParquetWriter({
    writer,
    schema: schemaFromColumnData({ columnData: open([]) }),
    kvMetadata: [
      { key: 'selvedge.about', value: about },
      {
        key: 'selvedge.columns',
        value: JSON.stringify(Object.fromEntries(columns.map(({ name, about }) => [name, about]))),
      },
    ],
    createdBy: 'selvedge',
  })
  let group: unknown[][] = columns.map(() => [])
  let held = 0

  function take(): Uint8Array {
    const bytes = writer.getBytes().slice()
    writer.index = 0
    return bytes
  }

  function encode(): void {
    const columnData = open(group).map((column) => ({ ...column, offsetIndex: false }))
    parquet.write({ columnData, rowGroupSize: groupRows })
    group = columns.map(() => [])
    held = 0
  }

  for await (const row of rows) {
    for (const [i, { of }] of columns.entries()) group[i]?.push(of(row))
    if (++held < groupRows) continue
    encode()
    yield take()
  }
  if (held > 0) encode()
  parquet.finish()
  yield take()
}
