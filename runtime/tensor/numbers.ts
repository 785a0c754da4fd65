/** Numbers as the data of a tensor and back, for every datatype but BYTES. */
import type { Datatype } from '../contract/datatype.ts'
import { decodeFloat16, encodeFloat16 } from './float16.ts'
import { createTensor, datatypeFacts, type Tensor } from './tensor.ts'

export type NumericDatatype = Exclude<Datatype, 'BYTES'>
export type NumericTensor = Extract<Tensor, { datatype: NumericDatatype }>
export type Numbers = Exclude<NumericTensor['data'], BigInt64Array | BigUint64Array>

/** Of the integer datatypes. 64-bit ones end where doubles are no longer exact. */
export const integerRanges: Partial<Record<Datatype, { least: number; most: number }>> = {
  BOOL: { least: 0, most: 1 },
  UINT8: { least: 0, most: 255 },
  UINT16: { least: 0, most: 65_535 },
  UINT32: { least: 0, most: 2 ** 32 - 1 },
  UINT64: { least: 0, most: Number.MAX_SAFE_INTEGER },
  INT8: { least: -128, most: 127 },
  INT16: { least: -32_768, most: 32_767 },
  INT32: { least: -(2 ** 31), most: 2 ** 31 - 1 },
  INT64: { least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER },
}

/** A tensor of these numbers; an integer datatype takes the nearest integer in its range. */
export function packNumbers(datatype: NumericDatatype, shape: readonly number[], numbers: Float64Array): NumericTensor {
  const range = integerRanges[datatype]
  const exact = range ? numbers.map((x) => Math.min(Math.max(Math.round(x), range.least), range.most)) : numbers
  return createTensor(datatype, shape, dataOf(datatype, exact)) as NumericTensor
}

/** The tensor's own data where that holds numbers already. */
export function unpackNumbers(tensor: NumericTensor): Numbers {
  if (tensor.datatype === 'FP16') return Float64Array.from(tensor.data, decodeFloat16)
  if (tensor.datatype === 'INT64' || tensor.datatype === 'UINT64') return Float64Array.from(tensor.data, Number)
  return tensor.data
}

/** The number as a tensor of the datatype holds it. */
export function roundNumber(datatype: Datatype, number: number): number {
  if (datatype === 'FP16') return decodeFloat16(encodeFloat16(number))
  return datatype === 'FP32' ? Math.fround(number) : number
}

function dataOf(datatype: NumericDatatype, numbers: Float64Array): NumericTensor['data'] {
  if (datatype === 'FP16') return Uint16Array.from(numbers, encodeFloat16)
  if (datatype === 'INT64') return BigInt64Array.from(numbers, BigInt)
  if (datatype === 'UINT64') return BigUint64Array.from(numbers, BigInt)
  const data = new datatypeFacts[datatype].array(numbers.length)
  data.set(numbers)
  return data
}
