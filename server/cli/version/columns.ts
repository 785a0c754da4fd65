/** Features made from the columns of a baseline, for a model that does not name them. */
import type { Feature, TensorSignature } from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { isMissing, isNumericColumn, parseNumber, type Table } from '../csv.ts'
import { renderList } from '../names.ts'

/**
 * Which column feeds which input, only where that cannot be misunderstood: an order guessed wrongly gives wrong scores
 * without an error.
 *
 * - Inputs of one column each whose names are columns: these.
 * - One input of floats `[N, k]`: the columns named by `names`; else the numeric columns, where there are exactly k.
 *
 * @param names - of the columns, in the order of the input's last axis
 * @param outcome - column that holds what became true, never a feature
 * @returns undefined where the inputs are of another form
 * @throws {@link SelvedgeError} `BASELINE_INVALID` where the columns are ambiguous, `DESCRIPTION_INVALID` where `names`
 * do not fit the input
 */
export function chooseFeatures(
  inputs: readonly TensorSignature[],
  table: Table | undefined,
  { names, outcome }: { names?: readonly string[] | undefined; outcome?: string | undefined },
): Feature[] | undefined {
  if (table !== undefined && names === undefined) {
    const features = inputs.map((input) => namedInput(input, table))
    if (features.every((feature) => feature !== undefined)) return features
  }
  const [input, ...others] = inputs
  if (input === undefined || others.length > 0 || !isRowOfFloats(input)) {
    if (names === undefined) return undefined
    throw new SelvedgeError('DESCRIPTION_INVALID', '--features wants a model with one input of floats [N, k]')
  }
  const width = input.shape?.[1]
  const chosen = names ?? (table && numericColumns(table, outcome, typeof width === 'number' ? width : -1))
  if (chosen === undefined) return undefined
  if (typeof width === 'number' && width >= 0 && chosen.length !== width) {
    throw new SelvedgeError(
      'DESCRIPTION_INVALID',
      `--features names ${chosen.length} columns, input "${input.name}" has ${width}`,
    )
  }
  const absent = table && chosen.find((name) => !table.columns.includes(name))
  if (absent !== undefined) {
    throw new SelvedgeError('BASELINE_INVALID', `no column "${absent}"; the header has: ${table?.columns.join(', ')}`)
  }
  return chosen.map((name, index) => ({ name, kind: 'numeric', input: input.name, index }))
}

function isRowOfFloats({ datatype, shape }: TensorSignature): boolean {
  return (datatype === 'FP32' || datatype === 'FP64') && shape?.length === 2
}

// scikit-learn's converter gives a table with named columns one input [N, 1] a column.
function namedInput(input: TensorSignature, table: Table): Feature | undefined {
  const { name, datatype, shape } = input
  if (!table.columns.includes(name) || shape?.at(-1) !== 1 || shape.length !== 2) return undefined
  if (datatype !== 'BYTES') return { name, kind: 'numeric', input: name, index: 0 }
  const at = table.columns.indexOf(name)
  const values = [...new Set(table.rows.map((row) => row[at] ?? '').filter((text) => !isMissing(text)))].sort()
  return { name, kind: 'categorical', values, encoding: 'string', input: name, index: 0 }
}

function numericColumns(table: Table, outcome: string | undefined, width: number): string[] {
  const numeric = table.columns.filter((column) => column !== outcome && isNumericColumn(table, column))
  if (numeric.length === width) return numeric
  const wanted = width < 0 ? 'an unknown number of columns' : `${width} columns`
  const guess = numeric.filter((column) => !isRowNumber(table, column)).slice(0, width < 0 ? undefined : width)
  const suggestion = guess.length === width || width < 0 ? ` --features ${renderList(guess)}` : ' --features a,b,…'
  throw new SelvedgeError(
    'BASELINE_INVALID',
    `the model takes ${wanted} and the file has ${numeric.length} numeric ones (${numeric.join(', ')}): ` +
      `say which, in the order of training, such as${suggestion}`,
    { numeric, suggestion: guess },
  )
}

// Only for the suggestion: a column that counts its rows is an identifier.
function isRowNumber({ columns, rows }: Table, column: string): boolean {
  const at = columns.indexOf(column)
  const first = parseNumber(rows[0]?.[at] ?? '')
  return first !== undefined && rows.length > 1 && rows.every((row, i) => parseNumber(row[at] ?? '') === first + i)
}
