/**
 * Triton's classification extension: instead of an output's numbers its K largest values a row, as BYTES
 * `value:index` or `value:index:label`.
 */
import type { Datatype } from '../contract/datatype.ts'
import { SelvedgeError } from '../errors.ts'
import { decodeFloat16 } from '../tensor/float16.ts'
import { createTensor, elementCount, type Tensor } from '../tensor/tensor.ts'

/**
 * @param tensor - rows on its first axis; a tensor with one axis is one row
 * @param count - K
 * @param labels - by index; absent where the output has no classes
 * @returns BYTES of shape [rows, K], or [K] for one axis; K is cut to the length of a row
 * @throws {@link SelvedgeError} `INVALID_REQUEST` for texts, which have no order
 */
export function classify(tensor: Tensor, count: number, labels: readonly string[] | undefined): Tensor {
  const values = valuesOf(tensor)
  const rows = tensor.shape.length > 1 ? (tensor.shape[0] ?? 0) : 1
  const width = elementCount(tensor.shape.length > 1 ? tensor.shape.slice(1) : tensor.shape)
  const most = Math.min(count, width)
  const texts = Array.from({ length: rows }, (_, row) => {
    const of = values.slice(row * width, (row + 1) * width)
    const order = Array.from(of.keys()).sort((a, b) => compare(of[b] ?? 0, of[a] ?? 0))
    return order.slice(0, most).map((index) => {
      const label = labels?.[index]
      return `${textOf(of[index] ?? 0, tensor.datatype)}:${index}${label === undefined ? '' : `:${label}`}`
    })
  })
  return createTensor('BYTES', tensor.shape.length > 1 ? [rows, most] : [most], texts.flat())
}

function valuesOf(tensor: Tensor): readonly (number | bigint)[] {
  switch (tensor.datatype) {
    case 'BYTES':
      throw new SelvedgeError('INVALID_REQUEST', 'classification: the output is BYTES, want numbers')
    case 'FP16':
      return Array.from(tensor.data, decodeFloat16)
    default:
      return Array.from<number | bigint>(tensor.data)
  }
}

// What is no number goes last.
function compare(a: number | bigint, b: number | bigint): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(b)) - Number(Number.isNaN(a))
  return a < b ? -1 : Number(a > b)
}

// As C's `std::to_string` writes them: six digits for floats, none for integers.
function textOf(value: number | bigint, datatype: Datatype): string {
  return typeof value === 'number' && datatype.startsWith('FP') ? value.toFixed(6) : String(value)
}
