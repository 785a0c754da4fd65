/** Tensor: datatype, shape and row-major data, with the facts about each datatype in one table. */
import type { Datatype } from '../contract/datatype.ts'
import { SelvedgeError } from '../errors.ts'

interface DatatypeFacts {
  /** Bytes of one element; 0 for BYTES, whose elements differ. */
  bytes: number
  array: new (length: number) => TypedArray
}

type TypedArray =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array

/** FP16 holds the 16 bits of each number; BYTES holds text. */
export interface DataOf {
  BOOL: Uint8Array
  UINT8: Uint8Array
  UINT16: Uint16Array
  UINT32: Uint32Array
  UINT64: BigUint64Array
  INT8: Int8Array
  INT16: Int16Array
  INT32: Int32Array
  INT64: BigInt64Array
  FP16: Uint16Array
  FP32: Float32Array
  FP64: Float64Array
  BYTES: string[]
}

export const datatypeFacts = {
  BOOL: { bytes: 1, array: Uint8Array },
  UINT8: { bytes: 1, array: Uint8Array },
  UINT16: { bytes: 2, array: Uint16Array },
  UINT32: { bytes: 4, array: Uint32Array },
  UINT64: { bytes: 8, array: BigUint64Array },
  INT8: { bytes: 1, array: Int8Array },
  INT16: { bytes: 2, array: Int16Array },
  INT32: { bytes: 4, array: Int32Array },
  INT64: { bytes: 8, array: BigInt64Array },
  FP16: { bytes: 2, array: Uint16Array },
  FP32: { bytes: 4, array: Float32Array },
  FP64: { bytes: 8, array: Float64Array },
} as const satisfies Record<Exclude<Datatype, 'BYTES'>, DatatypeFacts>

/** `data.length` is the product of `shape`: whoever makes a Tensor other than by {@link createTensor} keeps that true. */
export type Tensor = { [D in Datatype]: { datatype: D; shape: readonly number[]; data: DataOf[D] } }[Datatype]

/** Tensors by the name of their input or output. */
export type Tensors = Record<string, Tensor>

/**
 * A checked tensor.
 *
 * @throws {@link SelvedgeError} `TENSOR_INVALID` for a dimension that is no safe integer of at least 0, for more than 32
 * dimensions, and where the data's length is not the product of the shape
 */
export function createTensor<D extends Datatype>(datatype: D, shape: readonly number[], data: DataOf[D]): Tensor {
  const size = elementCount(shape)
  if (data.length !== size) {
    throw new SelvedgeError('TENSOR_INVALID', `shape [${shape}] wants ${size} elements, got ${data.length}`)
  }
  return { datatype, shape, data } as Tensor
}

/**
 * Product of a shape; 1 for a scalar.
 *
 * @throws {@link SelvedgeError} `TENSOR_INVALID` as {@link createTensor} does, and for a product over 2^53 - 1
 */
export function elementCount(shape: readonly number[]): number {
  if (shape.length > 32) throw new SelvedgeError('TENSOR_INVALID', `shape has ${shape.length} dimensions, at most 32`)
  let size = 1
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0 || Object.is(dimension, -0)) {
      throw new SelvedgeError('TENSOR_INVALID', `shape [${shape}] holds ${dimension}, want integers of at least 0`)
    }
    size *= dimension
    if (!Number.isSafeInteger(size)) throw new SelvedgeError('TENSOR_INVALID', `shape [${shape}] has too many elements`)
  }
  return size
}
