/**
 * Triton's classification extension: instead of an output's numbers its K largest values a row, as BYTES
 * `value:index` or `value:index:label`.
 */
import { SelvedgeError } from '../errors.ts'
import { decodeFloat16 } from '../float16.ts'
import { createTensor, elementCount, type Tensor } from '../tensor.ts'

/**
 * @param tensor - rows on its first axis; a tensor with one axis is one row
 * @param count - K
 * @param labels - by index; absent where the output has no classes
 * @returns BYTES of shape [rows, K], or [K] for one axis; K is cut to the length of a row
 * @throws {@link SelvedgeError} `INVALID_REQUEST` for texts, which have no order
 */
export function classify(tensor: Tensor, count: number, labels: readonly string[] | undefined): Tensor {
  const values = numbersOf(tensor)
  const rows = tensor.shape.length > 1 ? (tensor.shape[0] ?? 0) : 1
  const width = elementCount(tensor.shape.length > 1 ? tensor.shape.slice(1) : tensor.shape)
  const most = Math.min(count, width)
  const texts = Array.from({ length: rows }, (_, row) => {
    const of = values.slice(row * width, (row + 1) * width)
    const order = Array.from(of.keys()).sort((a, b) => (of[b] ?? 0) - (of[a] ?? 0))
    return order.slice(0, most).map((index) => {
      const label = labels?.[index]
      return `${(of[index] ?? 0).toFixed(6)}:${index}${label === undefined ? '' : `:${label}`}`
    })
  })
  return createTensor('BYTES', tensor.shape.length > 1 ? [rows, most] : [most], texts.flat())
}

function numbersOf(tensor: Tensor): number[] {
  switch (tensor.datatype) {
    case 'BYTES':
      throw new SelvedgeError('INVALID_REQUEST', 'classification: the output is BYTES, want numbers')
    case 'FP16':
      return Array.from(tensor.data, decodeFloat16)
    default:
      return Array.from<number | bigint, number>(tensor.data, Number)
  }
}
