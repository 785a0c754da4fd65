/** Tensors joined and cut along their first axis. */
import { SelvedgeError } from '../errors.ts'
import { datatypeFacts, elementCount, type Tensor, type Tensors } from './tensor.ts'

/** @param parts - the same names, datatypes and shapes but for the first axis */
export function joinRows(parts: readonly Tensors[]): Tensors {
  const [first = {}] = parts
  return Object.fromEntries(
    Object.keys(first).map((name) => [
      name,
      joinTensors(parts.map((part) => part[name]).filter((each) => each !== undefined)),
    ]),
  )
}

/** @throws {@link SelvedgeError} `RUN_FAILED` where a tensor does not have as many rows as were joined */
export function sliceRows(whole: Tensors, rows: readonly number[]): Tensors[] {
  const total = rows.reduce((sum, count) => sum + count, 0)
  let from = 0
  return rows.map((count) => {
    const part = Object.entries(whole).map(([name, tensor]): [string, Tensor] => {
      if (tensor.shape[0] === total) return [name, sliceTensor(tensor, from, count)]
      throw new SelvedgeError('RUN_FAILED', `output ${name} has shape [${tensor.shape}] for a batch of ${total} rows`)
    })
    from += count
    return Object.fromEntries(part)
  })
}

function joinTensors(parts: readonly Tensor[]): Tensor {
  const [first] = parts
  if (first === undefined) throw new SelvedgeError('INTERNAL', 'there is nothing to join')
  const shape = [parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0), ...first.shape.slice(1)]
  if (first.datatype === 'BYTES')
    return { datatype: 'BYTES', shape, data: parts.flatMap((part) => part.data as string[]) }
  const data = new datatypeFacts[first.datatype].array(elementCount(shape))
  let at = 0
  for (const part of parts) {
    // All parts have one datatype, which TypeScript cannot follow through the table.
    ;(data as Float32Array).set(part.data as Float32Array, at)
    at += part.data.length
  }
  return { datatype: first.datatype, shape, data } as Tensor
}

function sliceTensor({ datatype, shape, data }: Tensor, from: number, rows: number): Tensor {
  const width = elementCount(shape.slice(1))
  return { datatype, shape: [rows, ...shape.slice(1)], data: data.slice(from * width, (from + rows) * width) } as Tensor
}
