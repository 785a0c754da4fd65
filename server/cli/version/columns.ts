/** Features made from the columns of a baseline, for a model that does not name them. */
import type { Feature, TensorSignature } from '../../../runtime/contract/description.ts'
import { SelvedgeError } from '../../../runtime/errors.ts'
import { renderList } from '../names.ts'
import { demandColumn } from '../rows/records.ts'
import type { ColumnFacts, Survey } from '../rows/survey.ts'

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
  survey: Survey | undefined,
  { names, outcome }: { names?: readonly string[] | undefined; outcome?: string | undefined },
): Feature[] | undefined {
  if (survey !== undefined && names === undefined) {
    const features = inputs.map((input) => namedInput(input, survey))
    if (features.every((feature) => feature !== undefined)) return features
  }
  const [input, ...others] = inputs
  if (input === undefined || others.length > 0 || !isRowOfFloats(input)) {
    if (names === undefined) return undefined
    throw new SelvedgeError('DESCRIPTION_INVALID', '--features wants a model with one input of floats [N, k]')
  }
  const width = input.shape?.[1]
  const chosen = names ?? (survey && numericColumns(survey, outcome, typeof width === 'number' ? width : -1))
  if (chosen === undefined) return undefined
  if (typeof width === 'number' && width >= 0 && chosen.length !== width) {
    throw new SelvedgeError(
      'DESCRIPTION_INVALID',
      `--features names ${chosen.length} columns, input "${input.name}" has ${width}`,
    )
  }
  if (survey !== undefined) for (const name of chosen) demandColumn(survey, name)
  return chosen.map((name, index) => ({ name, kind: 'numeric', input: input.name, index }))
}

function isRowOfFloats({ datatype, shape }: TensorSignature): boolean {
  return (datatype === 'FP32' || datatype === 'FP64') && shape?.length === 2
}

// scikit-learn's converter gives a table with named columns one input [N, 1] a column.
function namedInput({ name, datatype, shape }: TensorSignature, { columns }: Survey): Feature | undefined {
  const facts = columns.get(name)
  if (facts === undefined || shape?.at(-1) !== 1 || shape.length !== 2) return undefined
  if (datatype !== 'BYTES') return { name, kind: 'numeric', input: name, index: 0 }
  return { name, kind: 'categorical', values: categories(name, facts), encoding: 'string', input: name, index: 0 }
}

// Of free text nearly every row has another value: counted as categories, all of them would be new ones afterwards.
function categories(name: string, { values, filled }: ColumnFacts): string[] {
  if (values !== undefined && (values.length <= 100 || values.length <= filled / 2)) return values
  const many =
    values === undefined
      ? 'more texts, or longer ones, than a feature can have'
      : `${values.length} different texts in ${filled} rows`
  throw new SelvedgeError(
    'BASELINE_INVALID',
    `column "${name}" is free text (${many}), and no feature: what is counted of it today says nothing of tomorrow's. ` +
      'Describe it in a selvedge.json as a categorical feature with the values that matter; all others count as one.',
    { column: name },
  )
}

function numericColumns({ columns }: Survey, outcome: string | undefined, width: number): string[] {
  const numeric = [...columns]
    .filter(([column, { isNumeric }]) => column !== outcome && isNumeric)
    .map(([column]) => column)
  if (numeric.length === width) return numeric
  const wanted = width < 0 ? 'an unknown number of columns' : `${width} columns`
  // Only for the suggestion: a column that counts its rows is an identifier.
  const guess = numeric.filter((column) => !columns.get(column)?.isRowNumber).slice(0, width < 0 ? undefined : width)
  const suggestion = guess.length === width || width < 0 ? ` --features ${renderList(guess)}` : ' --features a,b,…'
  throw new SelvedgeError(
    'BASELINE_INVALID',
    `the model takes ${wanted} and the file has ${numeric.length} numeric ones (${numeric.join(', ')}): ` +
      `say which, in the order of training, such as${suggestion}`,
    { numeric, suggestion: guess },
  )
}
