/** Rows as a file gives them, whatever its format. */

/** Cells by column: text in CSV, what JSON and Parquet have in theirs. */
export type Row = Readonly<Record<string, unknown>>

export interface RowFile {
  /** Columns that stand in the file whatever rows it has; a record of a JSON line may have others. */
  columns: readonly string[]
  /**
   * All rows in their order, some at a time.
   *
   * @throws SelvedgeError `BASELINE_INVALID` for a row that cannot be read
   */
  read(): AsyncGenerator<Row[]>
}
