/** How far the answers of two versions to one request are apart, row by row. */
import type { Description } from '../contract/description.ts'
import { type NumericTensor, unpackNumbers } from '../tensor/numbers.ts'
import { outputTensorValues } from '../tensor/predictions.ts'
import type { Tensor, Tensors } from '../tensor/tensor.ts'

/** Of one row. */
export interface Divergence {
  /** Both say a class, and not the same. */
  flipped: boolean
  /** The largest absolute difference of two numbers in the same place; NaN where one alone is none, or shapes differ. */
  difference: number
}

/** A side of the comparison: what a version answered. */
export interface Side {
  description: Description
  outputs: Tensors
}

export function divergences(one: Side, other: Side, rows: number): Divergence[] {
  const classes = [one, other].map(classesOf)
  const differences = new Array<number>(rows).fill(0)
  for (const [name, tensor] of Object.entries(one.outputs)) {
    const beside = Object.hasOwn(other.outputs, name) ? other.outputs[name] : undefined
    if (beside === undefined || !isFloat(tensor) || !isFloat(beside)) continue
    addDifferences(differences, tensor, beside)
  }
  return differences.map((difference, row) => {
    const [a, b] = classes.map((each) => each[row])
    return { difference, flipped: typeof a === 'string' && typeof b === 'string' && a !== b }
  })
}

function classesOf({ description, outputs }: Side): unknown[] {
  return outputTensorValues(description, outputs).map((values) => values.class)
}

function isFloat(tensor: Tensor): tensor is NumericTensor {
  return tensor.datatype === 'FP32' || tensor.datatype === 'FP64' || tensor.datatype === 'FP16'
}

function addDifferences(largest: number[], one: NumericTensor, other: NumericTensor): void {
  const [a, b] = [unpackNumbers(one), unpackNumbers(other)]
  if (a.length !== b.length) return void largest.fill(Number.NaN)
  const columns = a.length / largest.length
  for (let row = 0; row < largest.length; row++) {
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const [left, right] = [a[i] ?? 0, b[i] ?? 0]
      // Two infinities of one sign, or two NaNs, are alike.
      const difference = Object.is(left, right) ? 0 : Math.abs(left - right)
      largest[row] = Math.max(largest[row] ?? 0, difference)
    }
  }
}
