/** What the output of a model means, where its author did not say and the numbers leave no doubt. */
import type { Description, OutputMeaning, TensorSignature } from '../../../runtime/contract/description.ts'
import type { Tensors } from '../../../runtime/tensor/tensor.ts'
import { parseNumber } from '../csv.ts'
import { cellNumber, cellText } from '../rows/survey.ts'

/**
 * - A float output `[N, c]`, c ≥ 2, whose rows are probabilities (each in 0..1, sum 1 within 0.001): a classification.
 * - The only output, of floats `[N, 1]` or `[N]`: a regression.
 *
 * @param outputs - of a run on real rows
 * @param classes - names in the order of the columns; without them the columns are called 0, 1, 2, …
 */
export function readMeaning(
  description: Description,
  outputs: Tensors,
  classes: readonly string[] | undefined,
): OutputMeaning | undefined {
  const floats = description.outputs.filter(({ datatype }) => datatype === 'FP32' || datatype === 'FP64')
  const probabilities = floats.find((output) => isProbabilities(outputs[output.name]))
  if (probabilities !== undefined) {
    const width = outputs[probabilities.name]?.shape[1] ?? 0
    const names = classes?.length === width ? classes : Array.from({ length: width }, (_, i) => String(i))
    return { kind: 'classification', tensor: probabilities.name, activation: 'none', classes: [...names] }
  }
  const [only, ...others] = description.outputs
  if (only === undefined || others.length > 0 || !floats.includes(only) || !isColumn(only)) return undefined
  return { kind: 'regression', tensor: only.name }
}

/** Classes as scikit-learn, LightGBM and XGBoost order them: the distinct outcomes, numbers by size, text by code point. */
export function outcomeClasses(outcomes: readonly string[]): string[] {
  const distinct = [...new Set(outcomes)]
  const numeric = distinct.every((text) => text.trim() !== '' && Number.isFinite(Number(text)))
  return distinct.sort((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1))
}

/**
 * Which of the classes a cell of the outcome's column names: by its text, by its number where classes are numbers, or as
 * the class's place where no class has that name.
 */
export function outcomeClass(classes: readonly string[], cell: unknown): number | undefined {
  const text = cellText(cell)?.trim()
  if (text === undefined) return undefined
  const named = classes.indexOf(text)
  if (named >= 0) return named
  const number = cellNumber(cell)
  if (number === undefined) return undefined
  const equal = classes.findIndex((name) => parseNumber(name) === number)
  if (equal >= 0) return equal
  const arePlaces = classes.every((name) => parseNumber(name) === undefined)
  return arePlaces && Number.isInteger(number) && number >= 0 && number < classes.length ? number : undefined
}

function isProbabilities(tensor: Tensors[string] | undefined): boolean {
  if (tensor === undefined || (tensor.datatype !== 'FP32' && tensor.datatype !== 'FP64')) return false
  const [rows = 0, width = 0] = tensor.shape
  if (tensor.shape.length !== 2 || width < 2) return false
  let seen = false
  for (let row = 0; row < rows; row += 1) {
    const values = Array.from(tensor.data.subarray(row * width, (row + 1) * width))
    // A row with a missing value gives NaN, which says nothing.
    if (values.some(Number.isNaN)) continue
    const sum = values.reduce((total, value) => total + value, 0)
    if (values.some((value) => value < 0 || value > 1) || Math.abs(sum - 1) > 1e-3) return false
    seen = true
  }
  return seen
}

function isColumn({ shape }: TensorSignature): boolean {
  return shape !== undefined && (shape.length === 1 || (shape.length === 2 && shape[1] === 1))
}
